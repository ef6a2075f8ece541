"""Kept bytes for tests: contracts, bytes kept as a landing keeps them, what must hold of any of them, and processes that die over them.

Belongs here: what the tests of kept bytes share, and what the soak plays. Stays out: single cases.
"""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.keep import Kept, blocks, kept_file, kept_stream
from orchestration.settings import home

from .samples import column, contract, text_rows
from .strategies import examples

MARK = "MARK5c1e"
COLUMNS = [
    column("code", key_position=1, required=True, pattern=r"^K\d+$"),
    column("person", required=True, classification="personal"),
]
OPEN = [column("code", key_position=1, required=True), column("name")]
NAMES = ("code", "person")


@contextmanager
def at_home(folder: str | Path) -> Iterator[Path]:
    """This folder as KHO_HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KHO_HOME", str(folder))
        patch.delenv("KHO_KEPT_KEY", raising=False)
        yield home()


@contextmanager
def elsewhere() -> Iterator[Path]:
    """A KHO_HOME of one's own, without a server."""
    with tempfile.TemporaryDirectory(prefix="kho-kept-") as folder, at_home(folder) as found:
        yield found


def personal(**given: Any) -> Contract:
    return contract(COLUMNS, **given)


def put(made: Contract, number: int, chunks: Iterable[bytes], encoding: str = "csv") -> Kept:
    """Bytes, kept and sealed as a landing does it."""
    kept = Kept(made, number, encoding)
    for _ in kept.through(chunks):
        pass
    kept.seal()
    return kept


def whole(path: Path) -> bytes:
    return b"".join(kept_stream(path))


def refusal(path: Path) -> str:
    """Code of the error that reading raises; what was read before it does not matter, since it is undone."""
    with pytest.raises(KhoError) as raised:
        whole(path)
    return raised.value.code


def found(folder: Path, mark: str = MARK) -> list[str]:
    """Files with the mark in them, the server's own data apart."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and (path.relative_to(folder).parts[0] != "postgres" or path.name == "server.log")
        and mark.encode() in path.read_bytes()
    ]


def lines(number: int, text: str = MARK) -> list[Any]:
    return text_rows(NAMES, *((f"K{n}", f"{text} {n}") for n in range(number)))


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[Path]:
    before = path.read_bytes()
    assert content != before
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.write_bytes(before)


# -- what must hold of any bytes ------------------------------------------------------------------------------------------

#: Small chunks and big ones: a block is 256 kB, a sealed chunk 64 kB.
CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.builds(lambda seed, size: noise(seed, size), st.integers(0, 9), st.sampled_from([65_535, 65_536, 300_000])),
        st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.sampled_from([262_144, 900_000])),
    ),
    max_size=6,
)


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress."""
    return hashlib.shake_128(bytes([seed])).digest(size)


def comes_back(chunks: list[bytes], is_personal: bool, encoding: str) -> None:
    """What comes out is what went in, block by block, and nobody else may read it."""
    content = b"".join(chunks)
    with elsewhere():
        made = contract(COLUMNS if is_personal else OPEN)
        kept = Kept(made, 7, encoding)
        assert list(kept.through(chunks)) == chunks
        assert kept.sha256 == hashlib.sha256(content).digest() and kept.size == len(content)
        # While it is landed: again from the start, as a stream or as a plain file.
        assert b"".join(blocks(kept.staged)) == content
        assert kept.plain().read_bytes() == content and kept.plain().stat().st_mode & 0o777 == 0o600
        if encoding == "xlsx":
            assert kept.staged.read_bytes() == content
        kept.seal()
        assert kept.path.name == f"000000007.{encoding}.zst{'.enc' if is_personal else ''}"
        assert [path.name for path in kept.path.parent.iterdir()] == [kept.path.name]
        assert whole(kept.path) == content
        assert all(len(block) <= 1 << 18 for block in kept_stream(kept.path))
        with kept_file(kept.path) as plain:
            assert plain.read_bytes() == content and plain.stat().st_mode & 0o777 == 0o600
        assert not plain.exists()
        modes = {path.stat().st_mode & 0o777 for path in home().rglob("*") if path.is_file()}
        assert modes == {0o600}


CONTENT = noise(2, 150_000) + b"b" * 100_000


def two_homes(folder: Path) -> tuple[Path, Path]:
    """A personal delivery of CONTENT and an open one; their files."""
    with at_home(folder):
        return put(personal(name="one"), 1, [CONTENT]).path, put(contract(OPEN, name="two"), 1, [CONTENT]).path


def flip(paths: Iterable[Path], data: st.DataObject) -> None:
    """A flipped bit is refused."""
    for path in paths:
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with changed(path, bytes(content)):
            try:
                read = whole(path)
            except KhoError as error:
                assert error.code == "kept_damaged"
                continue
            # A bit of a zstd frame may mean nothing; then it changes nothing. Under a key every bit counts.
            assert path.suffix == ".zst" and read == CONTENT


def cut(paths: Iterable[Path], data: st.DataObject) -> None:
    """A cut file and a longer one are refused."""
    for path in paths:
        content = path.read_bytes()
        edges = [0, 8, 40, 41, 40 + 65_552, 40 + 65_553, 40 + 2 * 65_552, len(content) - 16, len(content) - 1]
        at = data.draw(st.one_of(st.integers(0, len(content) - 1), st.sampled_from(edges)))
        for wrong in (content[:at], content + b"\0", content + content[40 : 40 + 65_552]):
            with changed(path, wrong):
                assert refusal(path) == "kept_damaged"


def play_kept(seed: int, count: int) -> None:
    """Each of them `count` times."""
    examples(
        seed, count, comes_back, chunks=CHUNKS, is_personal=st.booleans(), encoding=st.sampled_from(["csv", "xlsx"])
    )
    with tempfile.TemporaryDirectory(prefix="kho-kept-") as folder:
        paths = two_homes(Path(folder))
        with at_home(folder):
            for damage in (flip, cut):
                examples(seed, count, lambda data, damage=damage: damage(paths, data), data=st.data())


# -- processes that die ----------------------------------------------------------------------------------------------------


def die_landing(made: Contract, encoding: str, chunks: list[bytes]) -> None:
    """With all bytes there, and the plain file a parser asks for."""
    kept = Kept(made, 5, encoding)
    for _ in kept.through(chunks):
        pass
    kept.plain()
    os.kill(os.getpid(), signal.SIGKILL)


def die_reading(path: Path) -> None:
    """With the plain file open."""
    with kept_file(path):
        os.kill(os.getpid(), signal.SIGKILL)
