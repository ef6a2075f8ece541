"""The health insurance gateway: archives of Decision 130, as facilities sent them.

Purpose: one Delivery a day of receipt, an uncompressed tar of the original archives. Belongs here: which archives are new,
whether an archive is what the list says. Stays out: HTTP and retries (`wire`), what is in an archive (`xml130_parse`).

- The cursor is JSON: the last day that has anything, marks of the archives taken of it and of the days before it (an
  archive may turn up days later), and since when a facility is waited for. A day is asked for again for LOOK_BACK days.
- An archive that is not what the list says, or cannot be read, stops its facility for now, since a later one may put right an
  earlier one; at the end of the run Transient tells all that was wrong.
- A delivery counts as taken once it is told so (`done`); until then cursors do not have it, and its facilities wait.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import IO, Any
from urllib.parse import quote

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK, LOCAL, Delivery, Seen, expand
from orchestration.sources.pages import Page, Pages, refuse_missing, unusable_cursor
from orchestration.sources.wire import Again, Wire, json_object, judge, refused_login, retried
from orchestration.sources.xml130_parse import first_broken, names_of, parse_xml130

__all__ = ["open_xml130", "parse_xml130", "probe_xml130"]

TOKEN, LIST, FETCH = "/api/token/take", "danhSachHoSo", "taiHoSo"
OK, BUSY = "200", "500"
MAX_PAGE = 1000
LOOK_BACK = 7  # days before the last one that are asked for again
AHEAD = 7  # days without any archive after which there are none to come, seen from today
PATIENCE = 3  # archives in a row without any answer before the gateway is held to be down
LARGEST = 4 << 30  # bytes of XML in one archive
_VISIT = re.compile(rb"<(?:\w+:)?HOSO[\s>]")


@dataclass(frozen=True, order=True)
class Archive:
    """What the gateway says it received. In order of receipt."""

    moment: str
    number: str
    facility: str
    visits: int
    size: int

    @property
    def day(self) -> str:
        return self.moment[:8]

    @property
    def mark(self) -> str:
        """Eight characters that stand for its number."""
        return base64.urlsafe_b64encode(hashlib.blake2b(self.number.encode(), digest_size=6).digest()).decode()


class _Lie(Exception):
    """An archive that is not what it should be: `vi` and `en` say in what, without a value."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi, self.en = vi, en


@dataclass
class _State:
    """The cursor. `day`: the last one that has anything; `taken`: day -> marks; `waiting`: facility -> first day not taken."""

    day: str = ""
    taken: dict[str, set[str]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> _State:
        if cursor is None:
            return cls()
        try:
            found = json.loads(cursor)
            taken = {day: {text[n : n + 8] for n in range(0, len(text), 8)} for day, text in found["taken"].items()}
            return cls(f"{_date(found['day']):%Y%m%d}", taken, dict(found["waiting"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            found = None
        raise unusable_cursor("xml130")

    def after(self, day: str, marks: set[str]) -> _State:
        """This, and archives of a day taken."""
        taken = {**self.taken, day: self.taken.get(day, set()) | marks}
        return _State(max(self.day, day), taken, self.waiting)

    @property
    def begin(self) -> date:
        """The first day that is asked for."""
        return min(_date(self.day) - timedelta(days=LOOK_BACK), *map(_date, self.waiting.values()), date.max)

    def text(self) -> str:
        """Without the days that are not asked for again."""
        begin = f"{self.begin:%Y%m%d}"
        taken = {day: "".join(sorted(marks)) for day, marks in self.taken.items() if day >= begin}
        return json.dumps({"day": self.day, "taken": taken, "waiting": self.waiting}, separators=(",", ":"))


def open_xml130(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """A Delivery of encoding batch for each day of receipt with new archives, oldest first.

    Transient after the last one when an archive could not be taken.
    """
    with _Client(contract, env) as client:
        run = _Run(client, _State.read(cursor))
        yield from run.deliveries()
        run.tell()


def probe_xml130(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Log in, list, and compare the smallest archive of the last day with the contract."""
    with _Client(contract, env) as client:
        total = client.page(None, 1, 1).total
        lines = [f"Cổng giám định {contract.source.location}: đăng nhập được", f"{client.path}: {total} gói hồ sơ"]
        if not total:
            return lines
        archive = _archive(client.page(None, total, 1).records[0])
        with tempfile.TemporaryFile() as file:
            client.fetch(archive, file)
            names = names_of(file, archive.number)
        if names:
            refuse_missing(contract, names, archive.number)
            lines.append(Seen(f"Đủ {len(contract.columns)} trường của hợp đồng"))
        return lines


class _Client:
    """A session with the gateway. The option `path` is that of the services; the path of the token is the gateway's own."""

    def __init__(self, contract: Contract, env: Mapping[str, str]) -> None:
        options = contract.source.options
        self.path = options["path"].rstrip("/")
        self._account = expand(options["key"], env), expand(options["secret"], env)
        self._wire = Wire(expand(contract.source.location, env), self._log_in)

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__()

    def archives(self, day: date | None) -> list[Archive]:
        """What was received on a day, or ever, in order."""
        found: list[dict[str, Any]] = []
        path = f"{self.path}/{LIST}"
        pages = Pages(lambda n, size: self.page(day, n, size), MAX_PAGE, lambda r: str(r.get("maGiaoDich")), path)
        pages.read(lambda page: found.extend(page.records), found.clear)
        return sorted({_archive(record) for record in found})

    def page(self, day: date | None, number: int, size: int) -> Page:
        """A page of the list."""
        path = f"{self.path}/{LIST}"
        query = {"trang": str(number), "kichThuoc": str(size)} | ({"ngay": f"{day:%Y%m%d}"} if day else {})

        def ask() -> Page:
            body = json_object(self._wire.ask("GET", path, params=query).body)
            self._judge(body, path)
            records, total = body.get("danhSach"), str(body.get("tongSo", ""))
            if not isinstance(records, list) or not total.isdecimal():
                raise _protocol(path)
            return Page(records, [], int(total))

        return retried(path, ask)

    def fetch(self, archive: Archive, out: IO[bytes]) -> None:
        """Write an archive to an empty file. _Lie when it is not what the list says."""
        path = f"{self.path}/{FETCH}/{quote(archive.number, safe='')}"

        def ask() -> str:
            out.seek(0)
            out.truncate()
            kind = self._wire.ask("GET", path, into=out).headers.get("Content-Type", "")
            out.seek(0)
            if "json" in kind:
                self._judge(json_object(out.read(1 << 20)), path)
                raise Again("body")
            return kind

        retried(path, ask)
        if out.seek(0, 2) != archive.size:
            raise _Lie("kích thước không khớp danh sách", "its size is not that of the list")
        _check(out, archive.visits)
        broken = first_broken(out, archive.number)
        if broken:
            raise _Lie(f"không đọc được hồ sơ thứ {broken}", f"its visit number {broken} cannot be read")

    def _log_in(self, wire: Wire) -> tuple[str, float]:
        # MD5 is what the gateway wants of a password; it protects nothing, the connection must.
        name, secret = self._account
        form = {"username": name, "password": hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest()}
        reply = wire.call("POST", TOKEN, data=form)
        if reply.status in (400, 401, 403):
            raise refused_login(TOKEN, str(reply.status))
        judge(reply, TOKEN)
        body = json_object(reply.body)
        code = str(body.get("maKetQua", ""))
        if code in ("401", "402", "403"):
            raise refused_login(TOKEN, code)
        self._judge(body, TOKEN)
        key = body.get("APIKey")
        token = key.get("access_token") if isinstance(key, dict) else None
        if not isinstance(token, str) or not token or not token.isascii():
            raise Again("token")
        life = str(key.get("expires_in", "")) if isinstance(key, dict) else ""
        return token, int(life) if life.isdecimal() else 600.0

    def _judge(self, body: Mapping[str, Any], path: str) -> None:
        """Again or KhoError for an answer that is not 200 in its own words."""
        code = str(body.get("maKetQua", ""))
        if code == OK:
            return
        if code == BUSY:
            raise Again(f"maKetQua {code}")
        shown = code if re.fullmatch(r"\w{1,10}", code) else "?"
        raise KhoError(
            "service_refused",
            f"{path}: hệ thống từ chối yêu cầu (maKetQua {shown})",
            f"{path}: the service refused the request (maKetQua {shown})",
            {"file": path, "rule": f"maKetQua {shown}"},
        )


class _Run:
    """One run. Deliveries are handed over day by day; what went wrong is told at the end."""

    def __init__(self, client: _Client, state: _State) -> None:
        self.client, self.state = client, state
        self.failed: dict[str, tuple[str, str]] = {}  # number of an archive -> what is wrong, in both languages
        self._blocked: dict[str, str] = {}  # facility -> day of its first archive that was not taken
        self._waited = dict(state.waiting)
        self._down = 0

    def deliveries(self) -> Iterator[Delivery]:
        """Those of the days that have something new, one at a time."""
        for day, archives in self._days():
            new = [one for one in archives if one.mark not in self.state.taken.get(day, ())]
            if new:
                with tempfile.TemporaryFile(buffering=CHUNK) as out:
                    yield from self._day(day, new, out)

    def _days(self) -> Iterator[tuple[str, list[Archive]]]:
        """Days of receipt and what came on them. A first load asks once for everything, later ones for each day.

        Which day it is at the far end is its own affair: it is asked until it has had nothing for some days, today past.
        """
        if not self.state.day:
            for received, some in groupby(self.client.archives(None), key=lambda one: one.day):
                yield received, list(some)
            return
        day, last, today = self.state.begin, _date(self.state.day), _today()
        while day <= max(last + timedelta(days=AHEAD), today):
            archives = self.client.archives(day)
            if any(one.day != f"{day:%Y%m%d}" for one in archives):
                raise _protocol(f"{self.client.path}/{LIST}")
            last = max(last, day) if archives else last
            yield f"{day:%Y%m%d}", archives
            day += timedelta(days=1)

    def _day(self, day: str, archives: list[Archive], out: IO[bytes]) -> Iterator[Delivery]:
        taken = []
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for archive in archives:
                if archive.facility in self._blocked or not self._take(archive, tar):
                    self._blocked.setdefault(archive.facility, day)
                else:
                    taken.append(archive)
        if not taken:
            return
        after = self.state.after(day, {archive.mark for archive in taken})
        # Whoever was waited for and is not reached yet is waited for still.
        after.waiting = {who: since for who, since in self._waited.items() if since > day} | self._blocked
        landed = False

        def done() -> None:
            nonlocal landed
            self.state, landed = after, True

        out.seek(0)
        yield Delivery(
            name=f"{self.client.path} {day}",
            as_of=datetime.strptime(taken[-1].moment, "%Y%m%d%H%M%S").replace(tzinfo=LOCAL),
            encoding="batch",
            chunks=iter(lambda: out.read(CHUNK), b""),
            columns=(),
            cursor_after=after.text,
            done=done,
            partial=len(taken) < len(archives),
        )
        if not landed:
            for archive in taken:  # it comes again, and what its facilities sent later comes after it
                self._blocked.setdefault(archive.facility, day)

    def _take(self, archive: Archive, tar: tarfile.TarFile) -> bool:
        """Put an archive into the tar under its number; False where it failed, which is remembered."""
        failure = ("cổng không trả lời", "the gateway does not answer")
        if self._down < PATIENCE:
            try:
                with tempfile.TemporaryFile() as file:
                    self.client.fetch(archive, file)
                    member = tarfile.TarInfo(f"{archive.number}.zip")
                    member.size = file.seek(0, 2)
                    member.mtime = int(
                        datetime.strptime(archive.moment, "%Y%m%d%H%M%S").replace(tzinfo=LOCAL).timestamp()
                    )
                    file.seek(0)
                    tar.addfile(member, file)
                self._down = 0
                return True
            except _Lie as lie:
                failure, self._down = (lie.vi, lie.en), 0
            except KhoError as error:
                failure = (error.vi, error.en)
                self._down = self._down + 1 if error.code == "source_down" else 0
        self.failed[archive.number] = failure
        return False

    def tell(self) -> None:
        """Transient with all that went wrong, if anything did: the next run tries it again."""
        if not self.failed:
            return
        vi = "; ".join(f"gói {number}: {failure[0]}" for number, failure in sorted(self.failed.items()))
        en = "; ".join(f"archive {number}: {failure[1]}" for number, failure in sorted(self.failed.items()))
        raise Transient(
            "archives", f"{self.client.path}: {vi}", f"{self.client.path}: {en}", {"file": self.client.path, "rule": "archives"}
        )  # fmt: skip


def _check(file: IO[bytes], visits: int) -> None:
    """One XML file in it, whole, with as many visits as the list says."""
    found = 0
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) != 1 or entries[0].file_size > LARGEST:
                raise _Lie("gói phải có đúng một tệp XML", "it must hold just one XML file")
            with archive.open(entries[0]) as stream:  # reading to the end checks the sum
                rest = b""
                while block := stream.read(1 << 20):
                    found += len(_VISIT.findall(rest + block))
                    rest = _open_end(rest + block)
        problem = found != visits
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        problem, found = True, -1
    if problem and found < 0:
        raise _Lie("không phải tệp ZIP nguyên vẹn", "it is no whole ZIP file")
    if problem:
        raise _Lie("số hồ sơ không khớp danh sách", "its number of visits is not that of the list")


def _open_end(block: bytes) -> bytes:
    """A tag that was begun and not ended at the end of a block."""
    at = block.rfind(b"<", max(0, len(block) - 64))
    return block[at:] if at >= 0 and not _VISIT.match(block, at) else b""


def _archive(listed: Any) -> Archive:
    """An archive as it is listed. KhoError when it is none."""
    names = ("thoiGianTiepNhan", "maGiaoDich", "maCSKCB", "soLuongHoSo", "kichThuoc")
    moment, number, facility, visits, size = (str(listed.get(n, "")) if isinstance(listed, dict) else "" for n in names)
    good = bool(re.fullmatch(r"[\w.-]{1,80}", number) and re.fullmatch(r"\w{0,20}", facility))
    good = good and all(re.fullmatch(r"[0-9]{1,12}", text) for text in (visits, size))
    try:
        datetime.strptime(moment, "%Y%m%d%H%M%S")
    except ValueError:
        good = False
    if not good:
        raise _protocol(LIST)
    return Archive(moment, number, facility, int(visits), int(size))


def _protocol(path: str) -> KhoError:
    return KhoError(
        "protocol",
        f"{path}: danh sách không như đã thống nhất",
        f"{path}: the list is not as agreed",
        {"file": path, "rule": "protocol"},
    )


def _today() -> date:
    return datetime.now(LOCAL).date()


def _date(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()
