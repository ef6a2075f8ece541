"""Whether the published files are what the database, and through it the ledger, says.

Belongs here: comparing folders, checksums, `latest.json` and the catalogue. Stays out: repairing, which publishing does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestration import settings
from orchestration.portal import files, metadata
from orchestration.portal.catalogue import NAME, catalogue_bytes
from orchestration.portal.model import Fault, OpenDataset, Version
from orchestration.portal.publish import versions
from orchestration.warehouse import connect


def verify(datasets: Sequence[OpenDataset]) -> list[Fault]:
    """Everything below KHO_HOME/portal that is missing, altered or unknown, for every version ever published."""
    with connect("release") as connection:
        names = {row[0] for row in connection.execute("select distinct dataset from kho.portal_version").fetchall()}
        known = versions(connection, names)
    root = settings.portal_folder()
    on_disk = {path.name for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
    faults: list[Fault] = []
    for name in sorted(names | on_disk):
        faults += _dataset(name, [version for version in known if version.dataset == name])
    newest = {version.dataset: version for version in known}
    path = root / NAME
    if newest and not path.is_file():
        faults.append(Fault("-", None, NAME, "thiếu danh mục", "the catalogue is missing"))
    elif path.is_file() and path.read_bytes() != catalogue_bytes(datasets, newest, settings.portal_url()):
        vi, en = "danh mục khác với phiên bản và khai báo", "the catalogue is not as versions and declarations say"
        faults.append(Fault("-", None, NAME, vi, en))
    return faults


def _dataset(name: str, known: list[Version]) -> Iterator[Fault]:
    home = files.folder(name)
    if not known:
        yield Fault(name, None, "-", "cơ sở dữ liệu không biết thư mục này", "the database does not know this folder")
        return
    for version in known:
        yield from _version(version)
    expected = {str(version.version) for version in known} | {files.LATEST}
    for path in sorted(home.iterdir()) if home.is_dir() else ():
        if path.name not in expected and not path.name.startswith(files.STAGED):
            vi, en = "cơ sở dữ liệu không biết mục này", "the database does not know this"
            yield Fault(name, None, path.name, vi, en)
    latest = home / files.LATEST
    if not latest.is_file() or latest.read_bytes() != files.json_text(metadata.pointer(known[-1])):
        vi = f"không trỏ tới phiên bản mới nhất {known[-1].version}"
        yield Fault(name, None, files.LATEST, vi, f"does not point to the newest version {known[-1].version}")


def _version(version: Version) -> Iterator[Fault]:
    folder = files.folder(version.dataset) / str(version.version)
    if not folder.is_dir():
        yield Fault(version.dataset, version.version, "-", "mất thư mục của phiên bản", "the version's folder is gone")
        return
    found = files.on_disk(folder)
    for file in version.files:
        there = found.pop(file.name, None)
        if there is None:
            yield Fault(version.dataset, version.version, file.name, "mất tệp", "the file is gone")
        elif there != file:
            yield Fault(version.dataset, version.version, file.name, "tệp đã bị sửa", "the file has been altered")
    for name in sorted(found):
        vi, en = "tệp không thuộc phiên bản", "the file is not of the version"
        yield Fault(version.dataset, version.version, name, vi, en)
