"""What must have happened upstream, told from the released images alone: the outbox is never asked.

Belongs here: rendering a licence a second time, the versions of each key, what the ministry must have done with each, and the comparison
with its record. Stays out: how the sender gets there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from orchestration.release import ledger
from orchestration.warehouse import connect
from simulator.ministry import Record
from tests.engine.cluster import rows

from .licences import Row

Content = dict[str, str]
_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_CODES = {"HIEU_LUC": "1", "TAM_DINH_CHI": "2", "THU_HOI": "3"}
_REQUIRED = ("SoGiayPhep", "MaCSKCB", "NgayCap", "TrangThai")


class Violation(AssertionError):
    """What arrived is not what had to arrive."""


def content_of(row: Row) -> Content:
    """A licence as the ministry is to hold it; a code without a mapping says nothing."""
    issued, expires, updated = row["issued_on"], row["expires_on"], row["updated_at"]
    return {
        "SoGiayPhep": row["licence_no"],
        "MaCSKCB": row["facility_code"] or "",
        "PhamVi": row["scope"] or "",
        "NgayCap": f"{issued:%Y%m%d}000000" if issued else "",
        "NgayHetHan": f"{expires:%Y%m%d}000000" if expires else "",
        "TrangThai": _CODES.get(row["status"], ""),
        "ThoiDiemCapNhat": f"{updated.astimezone(_LOCAL):%Y%m%d%H%M%S}" if updated else "",
    }


def problem_of(row: Row) -> str:
    """Why a licence cannot be written as a message; empty when it can."""
    if row["status"] is not None and row["status"] not in _CODES:
        return "unmapped"
    return "missing" if not all(content_of(row)[name] for name in _REQUIRED) else ""


def refusal_of(content: Content, facilities: Container[str] | None) -> str:
    """The code with which the ministry refuses to hold this; empty when it accepts."""
    if facilities is not None and content["MaCSKCB"] not in facilities:
        return "23"
    return "24" if content["NgayHetHan"] and content["NgayHetHan"] < content["NgayCap"] else ""


@dataclass(frozen=True)
class Version:
    """A key says something else from this release on; `content` None: it is gone. `problem`: why it cannot be written, `code`: why its
    deletion is refused (the ministry wants to be told all that is required even of what is to go).
    """

    release: int
    content: Content | None
    problem: str = ""
    code: str = ""


@dataclass
class Upstream:
    """What follows for one key: changes made (None: deleted), what is held at the end, and open dead letters (release, code, version),
    the version None when there are no bytes of it.
    """

    effects: list[Content | None] = field(default_factory=list)
    held: Content | None = None
    letters: list[tuple[int, str, Version | None]] = field(default_factory=list)

    def take(self, version: Version, facilities: Container[str] | None) -> None:
        """The ministry judges a version, which closes what was open before it."""
        code = version.code if version.content is None else refusal_of(version.content, facilities)
        self.letters.clear()
        if code:
            self.letters.append((version.release, code, version))
        elif version.content is not None or self.held is not None:
            self.effects.append(version.content)
            self.held = version.content


class Oracle:
    """Told every release, in order; says what the ministry's record must hold. `facilities`: those the ministry knows, None for any."""

    def __init__(self, facilities: Container[str] | None = None) -> None:
        self.facilities = facilities
        self.images: list[dict[str, Row]] = [{}]
        self.versions: dict[str, list[Version]] = defaultdict(list)
        self.upstream: dict[str, Upstream] = defaultdict(Upstream)
        self.repaired = 0

    def release(self, image: Mapping[str, Row]) -> None:
        """The next release holds exactly these licences."""
        number, before = len(self.images), self.images[-1]
        for key in sorted(before.keys() | image.keys()):
            old, new = before.get(key), image.get(key)
            said = None if old is None else content_of(old)
            says = None if new is None else content_of(new)
            if said != says:
                if new is None:
                    assert old is not None
                    version = Version(number, None, code="20" if problem_of(old) == "missing" else "")
                else:
                    version = Version(number, says, problem_of(new))
                self._version(key, version)
        self.images.append({key: dict(row) for key, row in image.items()})

    def rollback(self, to: int) -> None:
        self.release(self.images[to])

    def _version(self, key: str, version: Version) -> None:
        self.versions[key].append(version)
        upstream = self.upstream[key]
        if version.problem:
            upstream.letters[:] = [(version.release, version.problem, None)]
        else:
            upstream.take(version, self.facilities)

    def retried(self, facilities: Container[str] | None) -> int:
        """The ministry now knows these facilities, and every open dead letter it had refused is sent again; how many those are."""
        self.facilities, count = facilities, 0
        for upstream in self.upstream.values():
            for _, _, version in list(upstream.letters):
                if version is not None:
                    count += 1
                    upstream.take(version, facilities)
        return count

    def left_over(self) -> set[str]:
        """Keys that the ministry still holds although they are gone: it refused to be told so."""
        return {key for key, up in self.upstream.items() if up.held is not None and key not in self.images[-1]}

    def taken_back(self, keys: Container[str]) -> None:
        """A reconciliation has deleted these, by what the ministry itself says of them."""
        for key, upstream in self.upstream.items():
            if key in keys:
                self.repaired += 1
                upstream.take(Version(len(self.images) - 1, None), None)

    @property
    def letters(self) -> set[tuple[str, int, str]]:
        """(key, release, code) of every dead letter that must be open."""
        return {(key, release, code) for key, up in self.upstream.items() for release, code, _ in up.letters}

    @property
    def messages(self) -> int:
        """How many messages there must have been."""
        return sum(map(len, self.versions.values())) + self.repaired


# -- the comparison -------------------------------------------------------------------------------------------------------


def violations(oracle: Oracle, record: Record, obligation: str) -> list[str]:
    """Everything by which the ministry's record, the outbox and the ledger differ from what had to be."""
    return [*_arrived(oracle, record), *_outbox(oracle, obligation), *_ledger()]


def check(oracle: Oracle, record: Record, obligation: str) -> None:
    """Raises Violation with the first of them."""
    if found := violations(oracle, record, obligation):
        raise Violation(f"{len(found)} violations:\n" + "\n".join(found[:8]))


def _arrived(oracle: Oracle, record: Record) -> list[str]:
    found = []
    effects: dict[str, list[Content | None]] = defaultdict(list)
    seen: set[str] = set()
    for effect in record.effects():
        if effect.message_id in seen:
            found.append(f"{effect.key}: the message of effect {effect.seq} had an effect before ({effect.operation})")
        seen.add(effect.message_id)
        effects[effect.key].append(None if effect.operation == "delete" else effect.content)
    for key in sorted(effects.keys() | oracle.upstream.keys()):
        expected = oracle.upstream[key].effects if key in oracle.upstream else []
        if effects[key] != expected:
            what = "in another order or content" if len(effects[key]) == len(expected) else "more or fewer"
            found.append(f"{key}: {len(effects[key])} effects instead of {len(expected)} ({what})")
    held = {key: upstream.held for key, upstream in oracle.upstream.items() if upstream.held is not None}
    if record.licences() != held:
        found.append(f"the ministry holds {len(record.licences())} licences, not the {len(held)} it should hold")
    return found


def _outbox(oracle: Oracle, obligation: str) -> list[str]:
    found = []
    states = dict(rows("select state, count(*) from kho.outbox where obligation = %s group by 1", (obligation,)))
    if unfinished := states.keys() - {"confirmed", "rejected", "superseded"}:
        found.append(f"messages are left {', '.join(sorted(unfinished))}")
    if sum(states.values()) != oracle.messages:
        found.append(f"{sum(states.values())} messages instead of {oracle.messages}")
    letters = rows(
        """select key, release, code, coalesce(reason_vi, ''), coalesce(reason_en, ''), coalesce(owner, '') from kho.outbox
            where obligation = %s and state = 'rejected'""",
        (obligation,),
    )
    if {row[:3] for row in letters} != oracle.letters:
        odd = {row[:3] for row in letters} ^ oracle.letters
        found.append(f"dead letters are not those expected: {len(letters)}, differing {sorted(odd)[:3]}")
    if not all(all(row[3:]) for row in letters):
        found.append("a dead letter without reason or owner")
    return found


def _ledger() -> list[str]:
    with connect("admin") as admin:
        _, faults = ledger.verify(admin)
    return [f"ledger: {fault.en}" for fault in faults]
