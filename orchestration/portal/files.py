"""The files of a version: CSV, JSON, Parquet, metadata, checksums, in a folder that appears whole or not at all.

Belongs here: their bytes, durable and atomic writing, looking at what is there. Stays out: which version it is (`publish`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.portal.model import FORMATS, File

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = "metadata.json"
CHECKSUMS = "SHA256SUMS"
LATEST = "latest.json"
#: Whatever the umask: a web server of another user reads them, and nobody writes to a version.
FOLDER_MODE, FILE_MODE, VERSION_MODE = 0o755, 0o644, 0o444
_ROWS = 50_000


def folder(dataset: str) -> Path:
    """Folder of a dataset: its versions and `latest.json`."""
    return settings.portal_folder() / dataset


def staging(name: str = "") -> Path:
    """Folder of what is under way for a dataset, beside the served one: nobody is shown half a file, and renaming stays atomic."""
    return settings.portal_folder().with_name("portal.staging") / name


def csv_bytes(texts: pa.Table) -> bytes:
    """RFC 4180 with header. Null is an empty field, an empty text is a quoted one."""
    import pyarrow as pa
    from pyarrow import compute

    fields = []
    for column in texts.columns:
        quoted = compute.binary_join_element_wise('"', compute.replace_substring(column, '"', '""'), '"', "")
        needed = compute.or_(compute.match_substring_regex(column, r'[",\r\n]'), compute.equal(column, ""))
        fields.append(compute.if_else(needed, quoted, column))
    lines = compute.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="")
    header = ",".join(texts.column_names)
    body = "".join(f"{line}\r\n" for line in (lines.to_pylist() if isinstance(lines, pa.ChunkedArray) else lines))
    return f"{header}\r\n{body}".encode()


def json_bytes(texts: pa.Table, typed: pa.Table) -> bytes:
    """An array of objects, one a line; numbers and booleans as such, with the digits they have in CSV."""
    import pyarrow as pa

    fragments = []
    for name in texts.column_names:
        kind = typed.schema.field(name).type
        bare = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)
        label = json.dumps(name)
        fragments.append(
            [
                f"{label}: " + ("null" if value is None else value if bare else encode_basestring(value))
                for value in texts[name].to_pylist()
            ]
        )
    lines = ["{" + ", ".join(row) + "}" for row in zip(*fragments, strict=True)]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def parquet_bytes(typed: pa.Table) -> bytes:
    """Typed columns, one file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(typed, sink, compression="zstd", row_group_size=_ROWS)
    return bytes(sink.getvalue().to_pybytes())


def data_files(texts: pa.Table, typed: pa.Table) -> dict[str, bytes]:
    """File name -> bytes, for each format."""
    made = {"data.csv": csv_bytes(texts), "data.json": json_bytes(texts, typed), "data.parquet": parquet_bytes(typed)}
    assert list(made) == list(FORMATS)
    return made


def json_text(value: Any) -> bytes:
    """JSON for people to read too; the same value gives the same bytes."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def describe(content: dict[str, bytes]) -> tuple[File, ...]:
    """Name, size and checksum of each file."""
    return tuple(File(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items())


def tidy(dataset: str, known: Collection[int]) -> None:
    """Remove what a crash left. Call it under the dataset's lock.

    A numbered folder that the database does not know and that is whole stays: a database restored from an older backup does not
    know it, but readers may.
    """
    if staging(dataset).exists():
        shutil.rmtree(staging(dataset))
    for number in numbers(dataset) - set(known):
        if not is_whole(folder(dataset) / str(number)):
            shutil.rmtree(folder(dataset) / str(number))


def numbers(dataset: str) -> set[int]:
    """Numbers that folders of the dataset have, known to the database or not."""
    home = folder(dataset)
    return {int(path.name) for path in home.iterdir() if path.name.isdecimal()} if home.is_dir() else set()


def is_whole(path: Path) -> bool:
    """Whether a folder holds exactly the files that its SHA256SUMS names, as it names them."""
    if not (path / CHECKSUMS).is_file():
        return False
    found = on_disk(path)
    del found[CHECKSUMS]
    return (path / CHECKSUMS).read_bytes() == _sums(found.values())


def _sums(listed: Iterable[File]) -> bytes:
    return "".join(f"{file.sha256}  {file.name}\n" for file in sorted(listed, key=lambda f: f.name)).encode()


def stage(dataset: str, version: int, content: dict[str, bytes]) -> tuple[Path, tuple[File, ...]]:
    """Write the files of a version and their SHA256SUMS into the staging folder, read-only and durable."""
    content = {**content, CHECKSUMS: _sums(describe(content))}
    staged = made(staging(dataset) / str(version))
    for name, data in content.items():
        _durable(staged / name, data, VERSION_MODE)
    _sync(staged)
    return staged, describe(content)


def put_in_place(staged: Path, dataset: str) -> None:
    """Rename a staged folder to the version whose number it has."""
    home = made(folder(dataset))
    staged.rename(home / staged.name)
    _sync(home)
    shutil.rmtree(staging(dataset))


def write_if_changed(path: Path, data: bytes, name: str) -> bool:
    """Replace a file atomically, by way of the staging folder `name`; False, and nothing touched, when it holds these bytes."""
    if path.is_file() and path.read_bytes() == data:
        return False
    made(path.parent)
    staged = made(staging(name)) / path.name
    _durable(staged, data, FILE_MODE)
    staged.replace(path)
    _sync(path.parent)
    shutil.rmtree(staging(name))
    return True


def made(path: Path) -> Path:
    """The folder, made where it is missing with those above it, for everybody to read."""
    for one in (*reversed(path.relative_to(settings.home()).parents[:-1]), path.relative_to(settings.home())):
        absolute = settings.home() / one
        if not absolute.is_dir():
            absolute.mkdir(parents=True)
            absolute.chmod(FOLDER_MODE)
    return path


def on_disk(path: Path) -> dict[str, File]:
    """The files that lie in a folder, by name."""
    found = {}
    for file in sorted(path.iterdir()):
        if file.is_file():
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[file.name] = File(file.name, file.stat().st_size, digest)
        else:
            found[file.name] = File(file.name, 0, "")
    return found


def _durable(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), mode)  # whatever the umask


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError) -> KhoError:
    """An error of the file system by its symbol; its own text may hold more."""
    symbol = errno.errorcode.get(error.errno or 0, "?")
    vi, en = (
        f"không đọc hoặc ghi được thư mục dữ liệu mở ({symbol})",
        f"the folder of open data cannot be read or written ({symbol})",
    )
    return KhoError("disk", vi, en, {"errno": symbol})
