"""Whether the published files are what the database, and through it the ledger, says.

Belongs here: comparing folders, checksums, modes, `latest.json` and the catalogue. Stays out: repairing, which publishing does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.portal import catalogue, files, metadata, record
from orchestration.portal.model import Fault, Version
from orchestration.warehouse import connect

_UNKNOWN = ("cơ sở dữ liệu không biết mục này", "the database does not know this")


def verify() -> list[Fault]:
    """Everything below KHO_HOME/portal that is missing, altered or unknown, for every version ever published."""
    failure: KhoError
    try:
        with connect("release", autocommit=True) as connection:
            known = record.versions(connection)
            left = sorted(path.name for path in files.staging().iterdir()) if files.staging().is_dir() else []
            stale = [name for name in left if not record.is_busy(connection, name)]
        return [*_everything(known), *(_left(name) for name in stale)]
    except OSError as error:
        failure = files.disk_error(error)
    raise failure


def _left(name: str) -> Fault:
    vi, en = "phần dở dang còn lại ở portal.staging", "left unfinished in portal.staging"
    return Fault(name, None, "-", vi, en)


def _everything(known: dict[str, list[Version]]) -> Iterator[Fault]:
    root = settings.portal_folder()
    there = {path.name: path for path in root.iterdir()} if root.is_dir() else {}
    if there:
        yield from _mode("-", None, root, files.FOLDER_MODE)
    for name in sorted(known.keys() | there.keys() - {catalogue.NAME}):
        if name in known:
            yield from _dataset(name, known[name])
        elif there[name].is_dir():
            vi, en = "cơ sở dữ liệu không biết thư mục này", "the database does not know this folder"
            yield Fault(name, None, "-", vi, en)
        else:
            yield Fault("-", None, name, *_UNKNOWN)
    path = root / catalogue.NAME
    if path.is_file():
        yield from _mode("-", None, path, files.FILE_MODE)
    elif known:
        yield Fault("-", None, catalogue.NAME, "thiếu danh mục", "the catalogue is missing")
        return
    if path.is_file() and not catalogue.is_current(known):
        vi, en = "danh mục khác với các phiên bản đang có", "the catalogue is not as the versions say"
        yield Fault("-", None, catalogue.NAME, vi, en)


def _dataset(name: str, known: list[Version]) -> Iterator[Fault]:
    home = files.folder(name)
    for version in known:
        yield from _version(version)
    if home.is_dir():
        yield from _mode(name, None, home, files.FOLDER_MODE)
    numbers = {str(version.version) for version in known}
    for path in sorted(home.iterdir()) if home.is_dir() else ():
        if path.name.isdecimal() and path.name not in numbers:
            vi = "cơ sở dữ liệu không biết phiên bản này (có từ trước khi khôi phục, hay lần công bố bị ngắt)"
            en = "the database does not know this version (from before a restore, or a publication cut off)"
            yield Fault(name, None, path.name, vi, en)
        elif path.name not in numbers | {files.LATEST}:
            yield Fault(name, None, path.name, *_UNKNOWN)
    if not metadata.is_pointed(name, known):
        found = metadata.current(known)
        number = found[0].version if found else "-"
        vi, en = f"không trỏ tới phiên bản mới nhất {number}", f"does not point to the newest version {number}"
        yield Fault(name, None, files.LATEST, vi, en)
    elif (home / files.LATEST).is_file():
        yield from _mode(name, None, home / files.LATEST, files.FILE_MODE)


def _version(version: Version) -> Iterator[Fault]:
    folder = files.folder(version.dataset) / str(version.version)
    if not folder.is_dir():
        yield Fault(version.dataset, version.version, "-", "mất thư mục của phiên bản", "the version's folder is gone")
        return
    yield from _mode(version.dataset, version.version, folder, files.FOLDER_MODE)
    found = files.on_disk(folder)
    for file in version.files:
        there = found.pop(file.name, None)
        if there is None:
            yield Fault(version.dataset, version.version, file.name, "mất tệp", "the file is gone")
        elif there != file:
            yield Fault(version.dataset, version.version, file.name, "tệp đã bị sửa", "the file has been altered")
        else:
            yield from _mode(version.dataset, version.version, folder / file.name, files.VERSION_MODE)
    for name in sorted(found):
        vi, en = "tệp không thuộc phiên bản", "the file is not of the version"
        yield Fault(version.dataset, version.version, name, vi, en)


def _mode(dataset: str, version: int | None, path: Path, wanted: int) -> Iterator[Fault]:
    mode = path.stat().st_mode & 0o777
    if mode != wanted:
        vi, en = f"quyền truy cập {mode:o}, phải là {wanted:o}", f"mode {mode:o}, must be {wanted:o}"
        yield Fault(dataset, version, "-" if path.is_dir() else path.name, vi, en)
