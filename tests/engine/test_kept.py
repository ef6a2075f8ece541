"""Kept bytes: they come back as they were or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.errors import KhoError
from orchestration.landing import vault
from orchestration.landing.keep import Kept, kept_file, keys_beside, place
from orchestration.landing.retention import unreadable

from .kept_tools import (
    CHUNKS,
    CONTENT,
    MARK,
    OPEN,
    at_home,
    changed,
    comes_back,
    cut,
    elsewhere,
    flip,
    found,
    noise,
    personal,
    put,
    refusal,
    two_homes,
    whole,
)  # fmt: skip
from .samples import contract


@pytest.fixture
def alone() -> Iterator[Path]:
    with elsewhere() as folder:
        yield folder


@settings(max_examples=15, deadline=None)
@given(CHUNKS, st.booleans(), st.sampled_from(["csv", "xlsx"]))
def test_what_comes_out_is_what_went_in(chunks: list[bytes], is_personal: bool, encoding: str) -> None:
    comes_back(chunks, is_personal, encoding)


def test_the_forms_are_what_they_are_said_to_be(alone: Path) -> None:
    """Read without the code that wrote them: a zstd frame any tool reads; chunks of AES-GCM under a key derived as described."""
    content = noise(1, 200_000) + b"a" * 500_000
    plain = put(contract(OPEN), 1, [content]).path
    assert zstandard.ZstdDecompressor().decompressobj().decompress(plain.read_bytes()) == content
    sealed = put(personal(), 1, [content])
    file = sealed.path.read_bytes()
    info = b"kho kept: " + place(sealed.path).as_posix().encode()
    cipher = AESGCM(HKDF(SHA256(), 32, file[8:40], info).derive(vault.find_key(place(sealed.path))))
    size = 65_536 + 16
    parts = [file[start : start + size] for start in range(40, len(file), size)]
    frame = b"".join(
        cipher.decrypt(number.to_bytes(11, "big") + bytes([number == len(parts)]), part, None)
        for number, part in enumerate(parts, 1)
    )
    assert len(parts) > 2 and zstandard.ZstdDecompressor().decompressobj().decompress(frame) == content
    legacy = sealed.path.with_name("000000009.csv")
    legacy.write_bytes(content)
    assert whole(legacy) == content and keys_beside(legacy).name == "000000009.keys"


def test_the_key_list_is_kept_as_the_bytes_are(alone: Path) -> None:
    for made in (personal(), contract(OPEN)):
        kept = Kept(made, 3, "binary")
        list(kept.through([b"rows"]))
        assert list(kept.keep_keys([MARK.encode(), b"K2"])) == [MARK.encode(), b"K2"]
        kept.seal()
        assert whole(keys_beside(kept.path)) == f"{MARK}K2".encode()
        assert keys_beside(kept.path).name == kept.path.name.replace("pgcopy", "keys")
    assert found(alone / "deliveries") == [str(place(kept.keys))], "what is open is not encrypted, only packed"


def test_a_disk_that_takes_nothing_is_a_failure_of_the_moment(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it happens: in the thread, while there is more to come, or at the end."""
    for size in (100, 300_000, 5_000_000):
        kept = Kept(personal(), 1, "csv")
        stream = kept.through([noise(0, size)[start : start + 100_000] for start in range(0, size, 100_000)])
        next(stream)
        assert kept._writer is not None
        kept._writer._file.close()
        kept._writer._file = os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", buffering=0)
        with pytest.raises(KhoError) as raised:
            list(stream)
        assert (raised.value.code, raised.value.transient) == ("kept_write", True)
        kept.discard()
        assert [path for path in alone.rglob("*") if path.is_file() and path.name != "kept.key"] == []


# -- tampering ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a personal delivery and an open one; whoever uses it says so, for this outlives a test."""
    folder = tmp_path_factory.mktemp("home")
    two_homes(folder)
    return folder


@pytest.fixture
def sealed(other_home: Path) -> Iterator[tuple[Path, Path]]:
    """Both files."""
    with at_home(other_home):
        one, two = sorted((other_home / "deliveries").rglob("*.csv.*"))
        yield one, two


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_is_refused(sealed: tuple[Path, Path], data: st.DataObject) -> None:
    flip(sealed, data)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_cut_or_longer_file_is_refused(sealed: tuple[Path, Path], data: st.DataObject) -> None:
    cut(sealed, data)


def test_exchanged_chunks_files_and_keys_are_refused(sealed: tuple[Path, Path]) -> None:
    path, size = sealed[0], 65_552
    content = path.read_bytes()
    head, parts = content[:40], [content[start : start + size] for start in range(40, len(content), size)]
    assert len(parts) == 3
    for order in ([1, 0, 2], [0, 2], [1, 2], [0, 0, 2], [0, 1], [0, 1, 2, 2]):
        with changed(path, head + b"".join(parts[number] for number in order)):
            assert refusal(path) == "kept_damaged"
    made = personal()
    one, two = put(made, 1, [CONTENT]), put(made, 2, [CONTENT])
    keys = [vault.key_path(place(kept.path)) for kept in (one, two)]
    # The bytes of another; the bytes and the key of another; the key of another; the same bytes called a key list.
    with changed(one.path, two.path.read_bytes()):
        assert refusal(one.path) == "kept_damaged"
        with changed(keys[0], keys[1].read_bytes()):
            assert refusal(one.path) == "kept_damaged"
    with changed(keys[0], keys[1].read_bytes()), pytest.raises(KhoError) as raised:
        vault.find_key(place(one.path))
    assert raised.value.code == "kept_damaged"
    shutil.copy(one.path, one.keys)
    assert refusal(one.keys) == "kept_damaged"
    for at in (0, 30, -1):
        wrong = bytearray(keys[0].read_bytes())
        wrong[at] ^= 1
        with changed(keys[0], bytes(wrong)):
            assert refusal(one.path) == "kept_damaged"
    assert whole(one.path) == whole(two.path) == CONTENT
    assert one.path.read_bytes() != two.path.read_bytes()


def test_another_master_key_opens_nothing_and_none_is_made_by_asking(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(personal(), 1, [b"x"])
    secret = alone / "secrets" / "kept.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("KHO_KEPT_KEY", "another")
    assert refusal(kept.path) == "key_gone" and unreadable() == [place(kept.path)]
    monkeypatch.setenv("KHO_KEPT_KEY", secret.read_text())
    secret.unlink()
    assert whole(kept.path) == b"x" and unreadable() == []
    monkeypatch.delenv("KHO_KEPT_KEY")
    assert refusal(kept.path) == "key_gone" and not secret.exists()
    with pytest.raises(KhoError) as raised:
        kept_file(kept.path).__enter__()
    assert raised.value.code == "key_gone"
