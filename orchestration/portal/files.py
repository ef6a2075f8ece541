"""The files of a version: CSV, JSON, Parquet, metadata, checksums, in a folder that appears whole or not at all.

Belongs here: their bytes, durable and atomic writing, looking at what is there. Stays out: which version it is (`publish`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import settings
from orchestration.portal.model import FORMATS, File

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = "metadata.json"
CHECKSUMS = "SHA256SUMS"
LATEST = "latest.json"
#: Begins the names of folders and files under way; nobody is told of them.
STAGED = ".staged-"
_ROWS = 50_000


def folder(dataset: str) -> Path:
    """Folder of a dataset: its versions and `latest.json`."""
    return settings.portal_folder() / dataset


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


def stage(dataset: str, version: int, content: dict[str, bytes]) -> tuple[Path, tuple[File, ...]]:
    """Write the files of a version and their SHA256SUMS into a staging folder, read-only and durable."""
    home = folder(dataset)
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob(f"{STAGED}*"):
        remove(left)
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in sorted(describe(content), key=lambda f: f.name))
    content = {**content, CHECKSUMS: sums.encode()}
    staged = home / f"{STAGED}{version}"
    staged.mkdir()
    for name, data in content.items():
        _durable(staged / name, data)
    _sync(staged)
    return staged, describe(content)


def put_in_place(staged: Path, dataset: str, version: int) -> Path:
    """Rename the staged folder to its version. A folder of that number is one that the database does not know: it goes."""
    target = folder(dataset) / str(version)
    if target.exists():
        remove(target)
    staged.rename(target)
    _sync(target.parent)
    return target


def write_if_changed(path: Path, data: bytes) -> bool:
    """Replace a file atomically; False, and nothing touched, when it holds these bytes."""
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{STAGED}{path.name}-{os.getpid()}")
    staged.unlink(missing_ok=True)
    _durable(staged, data, mode=0o644)
    staged.replace(path)
    _sync(path.parent)
    return True


def remove(path: Path) -> None:
    """Remove a file or folder that is not a version."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


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


def _durable(path: Path, data: bytes, mode: int = 0o444) -> None:
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
