"""Drop folders: files an agency leaves for collection.

Purpose: find complete files, date them by their name, read them as they are, put them away after the receipt.
Belongs here: what CSV files and workbooks have in common. Stays out: their content (`csv_file`, `xlsx`).
"""

from __future__ import annotations

import errno
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK, LOCAL, Delivery, expand

UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload")
RECENT = 5.0  # seconds since the last write within which a file may still be growing
SETTLE = 0.2  # seconds between two looks at such a file


@dataclass(frozen=True)
class DropFile:
    """A complete file: path, as-of time from the date in its name, identity and digest of what was read."""

    path: Path
    as_of: datetime
    stamp: tuple[int, int, int]
    sha256: str


def drop_folder(contract: Contract, env: Mapping[str, str]) -> Path:
    """The folder of the contract. KhoError when the variable is missing, Transient when the folder is not there."""
    folder = Path(expand(contract.source.location, env))
    if not folder.is_dir():
        # A share that is not mounted comes back by itself.
        raise Transient(
            "source_down",
            f"Không thấy thư mục nhận dữ liệu {contract.source.location} của {contract.id}",
            f"No drop folder {contract.source.location} of {contract.id}",
            {"relation": contract.id},
        )
    return folder


def complete_files(folder: Path, glob: str) -> list[Path]:
    """Files that match and are no longer being written, by name. Temporary names are left alone."""
    paths = sorted(
        path
        for path in folder.glob(glob)
        if path.is_file() and path.suffix.lower() not in UNFINISHED and not path.name.startswith((".", "~$"))
    )
    growing = {path: _stamp(path) for path in paths if time.time() - path.stat().st_mtime < RECENT}
    if growing:
        time.sleep(SETTLE)
    return [path for path in paths if path not in growing or growing[path] == _stamp(path)]


def as_of(path: Path, glob: str) -> datetime:
    """Midnight (Asia/Ho_Chi_Minh) of the date that stands in the name in place of `*`; a suffix `_…` may follow it."""
    before, _, after = glob.partition("*")
    middle = path.name[len(before) : len(path.name) - len(after)]
    match = re.fullmatch(r"(\d{8})([_-].*)?", middle)
    if match:
        try:
            return datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=LOCAL)
        except ValueError:
            match = None
    raise KhoError(
        "file_name",
        f"{path.name}: tên tệp phải theo mẫu {before}<yyyymmdd>{after}",
        f"{path.name}: the name must follow {before}<yyyymmdd>{after}",
        {"file": path.name, "rule": "file_name"},
    )


def deliveries(
    contract: Contract, env: Mapping[str, str], describe: Callable[[Contract, DropFile], Delivery]
) -> Iterator[Delivery]:
    """A delivery per complete file, oldest first. One bad file does not hold up the others: it is raised after them."""
    folder, glob = drop_folder(contract, env), contract.source.options["glob"]
    failures: list[KhoError] = []
    dated: list[tuple[datetime, Path]] = []
    for path in complete_files(folder, glob):
        try:
            dated.append((as_of(path, glob), path))
        except KhoError as failure:
            failures.append(failure)
    for moment, path in sorted(dated):
        try:
            delivery = describe(contract, _drop_file(path, moment))
        except KhoError as failure:
            failures.append(failure)
            continue
        yield delivery
    if failures:
        first = failures[0]
        raise KhoError(
            first.code,
            "; ".join(failure.vi for failure in failures),
            "; ".join(failure.en for failure in failures),
            first.where,
            transient=all(failure.transient for failure in failures),
        )


def chunks(file: DropFile) -> Iterator[bytes]:
    """The bytes of the file. Transient at the end when they are no longer those that were looked at before."""
    digest = hashlib.sha256()
    with file.path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
            yield block
    if digest.hexdigest() != file.sha256:
        raise _changed(file.path)


def put_away(file: DropFile) -> Callable[[], None]:
    """A function that moves the file to `done/` beside it, or leaves it when it is no longer the file that was read."""

    def move() -> None:
        if not file.path.exists() or _stamp(file.path) != file.stamp:
            return  # already collected, or replaced meanwhile by a new delivery that must not be lost
        failure = ""
        try:
            target = _free_name(file.path.parent / "done" / file.path.name)
            target.parent.mkdir(exist_ok=True)
            file.path.replace(target)
        except OSError as exc:
            failure = errno.errorcode.get(exc.errno or 0, "OSError")
        if failure:
            raise KhoError(
                "put_away",
                f"Đã nhận {file.path.name} nhưng không chuyển được vào thư mục done ({failure})",
                f"{file.path.name} was received but cannot be moved to the folder done ({failure})",
                {"file": file.path.name, "rule": "put_away"},
            )

    return move


def _drop_file(path: Path, moment: datetime) -> DropFile:
    stamp = _stamp(path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if _stamp(path) != stamp:
        raise _changed(path)
    return DropFile(path, moment, stamp, digest)


def _free_name(target: Path) -> Path:
    number, candidate = 1, target
    while candidate.exists():
        number += 1
        candidate = target.with_name(f"{target.stem}.{number}{target.suffix}")
    return candidate


def _stamp(path: Path) -> tuple[int, int, int]:
    """What tells one version of a file from the next; zeros when it has gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _changed(path: Path) -> Transient:
    return Transient(
        "file_changed",
        f"{path.name} thay đổi trong khi đang đọc",
        f"{path.name} changed while it was being read",
        {"file": path.name},
    )
