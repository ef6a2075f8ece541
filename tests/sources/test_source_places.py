"""Places of files: the simulator's SFTP server, an FTP server, and servers that hang, cut and lie."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import KhoError, Transient
from orchestration.sources import open_source, places, places_remote, test_source
from simulator.systems.plan import Fault, FaultPlan
from simulator.systems.sftp import SftpServer

from .file_contracts import PASSWORD, contract, large_text, listening, refusal, taken

DATED = "dan_{date}.csv"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    monkeypatch.setattr(places_remote, "TIMEOUT", 0.7)


def old(path: Path, seconds: float = 3600) -> Path:
    """A file that has been lying there for a while."""
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def put(folder: Path, name: str, text: str = "a,b\n1,2\n", seconds: float = 3600) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return old(path, seconds)


# -- SFTP ----------------------------------------------------------------------------------------------------------------


class Sftp:
    """The simulator's server over one folder."""

    def __init__(self, home: Path, plan: FaultPlan) -> None:
        self.folder = home / "police"
        self.folder.mkdir(exist_ok=True)
        self.server = SftpServer(home / "keys", home / "sftp.jsonl", plan)
        self.server.add("police", self.folder)
        self.server.up()
        self.account = self.server.env("police")

    def env(self, password: str | None = None, key: str = "", folder: str = "") -> dict[str, str]:
        user = self.account["user"] + f":{self.account['password'] if password is None else password}" * (not key)
        return {
            "KHO_SOURCE_TEST": f"sftp://{user}@127.0.0.1:{self.account['port']}/{folder}",
            "KHO_HOST_KEY": self.account["known_hosts"],
            "KHO_PRIVATE_KEY": key,
        }


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Callable[..., Sftp]]:
    started: list[Sftp] = []

    def start(plan: FaultPlan = FaultPlan()) -> Sftp:  # noqa: B008 - it is frozen
        started.append(Sftp(tmp_path, plan))
        return started[-1]

    yield start
    for one in started:
        one.server.down()


KNOWN = {"host_key": "${KHO_HOST_KEY}"}


def test_sftp_is_read_and_left_and_each_file_is_taken_once(sftp: Callable[..., Sftp]) -> None:
    place = sftp()
    asked = contract("a", "b", glob=DATED, **KNOWN)
    put(place.folder, "dan_20261118.csv", large_text())
    put(place.folder, unicodedata.normalize("NFD", "dan_20261119_sửa.csv"))
    put(place.folder, "dan_20261120.csv.part")
    first, cursor = taken(asked, place.env())
    assert list(first) == ["dan_20261118.csv", "dan_20261119_sửa.csv"], "oldest first, names in NFC"
    assert first["dan_20261118.csv"] == (place.folder / "dan_20261118.csv").read_bytes()
    put(place.folder, "dan_20261117.csv", "a,b\n0,0\n", seconds=7200)
    assert taken(asked, place.env(), cursor)[0] == {"dan_20261117.csv": b"a,b\n0,0\n"}, (
        "late, and older than the others"
    )
    assert len(list(place.folder.iterdir())) == 4, "nothing is moved"
    assert "dan_20261118.csv: ngày 18/11/2026, đủ 2 cột" in test_source(asked, place.env())


def test_sftp_with_a_key(sftp: Callable[..., Sftp]) -> None:
    place = sftp()
    put(place.folder / "xa", "dan_20261119.csv")
    asked = contract("a", "b", glob=DATED, private_key="${KHO_PRIVATE_KEY}", **KNOWN)
    assert list(taken(asked, place.env(key=place.account["key_file"], folder="xa"))[0]) == ["dan_20261119.csv"]


@pytest.mark.parametrize("known", ["", "nonsense", "other host", "other key"])
def test_sftp_takes_no_host_key_unseen(sftp: Callable[..., Sftp], tmp_path: Path, known: str) -> None:
    place = sftp()
    put(place.folder, "dan_20261119.csv")
    line = place.account["known_hosts"]
    other = SftpServer(tmp_path / "others", tmp_path / "other.jsonl", FaultPlan()).known_hosts
    lines = {
        "": "# nothing",
        "nonsense": "nonsense",
        "other host": "[127.0.0.2]" + line.removeprefix("[127.0.0.1]"),
        "other key": f"{line.split()[0]} {other.split(' ', 1)[1]}",
    }
    error = refusal(contract("a", "b", glob=DATED, **KNOWN), place.env() | {"KHO_HOST_KEY": lines[known]})
    assert (error.code, error.transient) == ("host_key", False)
    notes = place.server.record.file.read_text() if place.server.record.file.exists() else ""
    assert "login" not in notes and "refused" not in notes, "no password was shown to it"


def test_sftp_without_a_declared_host_key(sftp: Callable[..., Sftp]) -> None:
    assert refusal(contract("a", glob=DATED), sftp().env()).code == "host_key"


def test_sftp_refuses_a_wrong_password_and_has_no_such_folder(sftp: Callable[..., Sftp]) -> None:
    place, asked = sftp(), contract("a", "b", glob=DATED, **KNOWN)
    error = refusal(asked, place.env(password="p%40ss%2Fw%C3%B6rd"))
    assert (error.code, error.transient) == ("login_refused", False)
    error = refusal(asked, place.env(folder="nowhere"))
    assert (error.code, error.transient) == ("missing_folder", False)
    place.server.down()
    assert (refusal(asked, place.env()).code, refusal(asked, place.env()).transient) == ("source_down", True)


@pytest.mark.parametrize("kind", ["cut", "timeout"])
def test_sftp_that_breaks_off_in_the_middle(sftp: Callable[..., Sftp], kind: Any) -> None:
    place = sftp(FaultPlan(faults=(Fault("sftp", 2, kind),), timeout_seconds=0.2))
    asked = contract("a", "b", glob=DATED, **KNOWN)
    put(place.folder, "dan_20261118.csv")
    put(place.folder, "dan_20261119.csv", "a,b\n" + "1,2\n" * 50_000)
    names = []
    with pytest.raises(Transient):
        for delivery in open_source(asked, None, place.env()):
            names.append(delivery.name)
            delivery.done()
    assert names == ["dan_20261118.csv"], "the cut file is no delivery"
    assert list(taken(asked, place.env())[0]) == ["dan_20261118.csv", "dan_20261119.csv"]


def test_sftp_that_lies_about_the_size(sftp: Callable[..., Sftp], monkeypatch: pytest.MonkeyPatch) -> None:
    place, asked = sftp(), contract("a", "b", glob=DATED, **KNOWN)
    put(place.folder, "dan_20261118.csv", seconds=7200)
    put(place.folder, "dan_20261119.csv", seconds=7200)
    true = places_remote.Sftp.entries

    def lie(self: Any, folder: str) -> Iterator[tuple[str, bool, Any]]:
        for name, is_folder, found in true(self, folder):
            size = found.size + (7 if "18" in name else -3)
            yield name, is_folder, places.Found(found.path, size, found.mtime)

    monkeypatch.setattr(places_remote.Sftp, "entries", lie)
    error = refusal(asked, place.env())
    assert (error.code, error.transient) == ("file_changed", True)
    assert "dan_20261118.csv" in error.vi and "dan_20261119.csv" in error.vi


def test_a_remote_file_that_vanishes_or_grows_does_not_hold_up_the_others(sftp: Callable[..., Sftp]) -> None:
    place, asked = sftp(), contract("a", "b", glob="dan_{a}_{date}.csv", **KNOWN)
    for n in range(3):
        put(place.folder, f"dan_{n}_2026111{n}.csv")
    names = []
    with pytest.raises(Transient) as refused:
        for delivery in open_source(asked, None, place.env()):
            names.append(delivery.name)
            (place.folder / "dan_1_20261111.csv").unlink(missing_ok=True)
            put(place.folder, "dan_2_20261112.csv", "a,b\n1,2\n3,4\n")
    assert names == ["dan_*_20261110.csv"]
    assert "dan_1_20261111.csv" in refused.value.vi and "dan_2_20261112.csv" in refused.value.vi


def test_a_young_remote_file_is_looked_at_twice(sftp: Callable[..., Sftp], monkeypatch: pytest.MonkeyPatch) -> None:
    place, asked = sftp(), contract("a", "b", glob=DATED, **KNOWN)
    put(place.folder, "dan_20261118.csv")
    growing = put(place.folder, "dan_20261119.csv", seconds=0)
    monkeypatch.setattr(places.time, "sleep", lambda _: growing.write_text("a,b\n1,2\n3,4\n"))
    found, cursor = taken(asked, place.env())
    assert list(found) == ["dan_20261118.csv"]
    monkeypatch.undo()
    assert list(taken(asked, place.env(), cursor)[0]) == ["dan_20261119.csv"]


# -- FTP -----------------------------------------------------------------------------------------------------------------


class Ftp:
    """pyftpdlib's server over one folder."""

    def __init__(self, folder: Path, *, modern: bool = True) -> None:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.ioloop import IOLoop
        from pyftpdlib.servers import FTPServer

        logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
        self.folder = folder
        folder.mkdir(exist_ok=True)
        authorizer = DummyAuthorizer()
        authorizer.add_user("police", PASSWORD, str(folder), perm="elradfmwMT")
        commands = {k: v for k, v in FTPHandler.proto_cmds.items() if modern or k not in ("MLSD", "MLST")}
        handler = type(
            "Handler", (FTPHandler,), {"authorizer": authorizer, "proto_cmds": commands, "auth_failed_timeout": 0.1}
        )
        self.server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())  # its own: closing closes it
        self.port = self.server.socket.getsockname()[1]
        self.stopping = self.dropping = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while not self.stopping:
            self.server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
            if self.dropping:
                for handler in list(self.server.ioloop.socket_map.values()):
                    if handler is not self.server:
                        handler.close()
                self.dropping = False
        self.server.close_all()

    def drop(self) -> None:
        """Break all connections."""
        self.dropping = True
        while self.dropping:
            time.sleep(0.01)

    def env(self, user: str = "police:p%40ss%2Fw%C3%B6rd", folder: str = "") -> dict[str, str]:
        return {"KHO_SOURCE_TEST": f"ftp://{user}@127.0.0.1:{self.port}/{folder}"}

    def stop(self) -> None:
        self.stopping = True
        self.thread.join(5)


@pytest.fixture(params=["MLSD", "LIST"])
def ftp(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ftp]:
    server = Ftp(tmp_path / "ftp", modern=request.param == "MLSD")
    yield server
    server.stop()


def test_ftp_is_read_left_or_put_away(ftp: Ftp) -> None:
    put(ftp.folder / "xã", "dan_20261118.csv", large_text())
    put(ftp.folder / "xã", "dan_20261119_sửa lại.csv")
    put(ftp.folder / "xã", "dan_20261119.csv.tmp")
    asked = contract("a", "b", glob=f"x*/{DATED}")
    first, _ = taken(contract("a", "b", glob=DATED), ftp.env(folder="x%C3%A3"))
    assert list(first) == ["dan_20261118.csv", "dan_20261119_sửa lại.csv"]
    assert first["dan_20261118.csv"] == large_text().encode()
    moving = contract("a", "b", glob=f"xã/{DATED}", after="move")
    for _ in range(2):
        assert "xã/dan_20261119_sửa lại.csv" in taken(moving, ftp.env())[0]
        put(ftp.folder / "xã", "dan_20261119_sửa lại.csv")
    done = sorted(path.name for path in (ftp.folder / "xã" / "done").iterdir())
    assert done == ["dan_20261118.csv", "dan_20261119_sửa lại.2.csv", "dan_20261119_sửa lại.csv"]
    assert list(taken(asked, ftp.env())[0]) == ["x*/dan_20261119.csv"], "done is not looked into"


def test_ftp_refusals(ftp: Ftp) -> None:
    asked = contract("a", "b", glob=DATED)
    assert (error := refusal(asked, ftp.env("police:p%40ss"))).code == "login_refused" and not error.transient
    assert (error := refusal(asked, ftp.env(folder="nowhere"))).code == "missing_folder" and not error.transient
    ftp.stop()
    assert (error := refusal(asked, ftp.env())).code == "source_down" and error.transient


def test_ftp_connects_again_after_an_idle_while(tmp_path: Path) -> None:
    server = Ftp(tmp_path / "ftp")
    try:
        put(server.folder, "dan_20261118.csv")
        put(server.folder, "dan_20261119.csv")
        names = []
        for delivery in open_source(contract("a", "b", glob=DATED, after="move"), None, server.env()):
            names.append(delivery.name)
            server.drop()
            delivery.done()
        assert names == ["dan_20261118.csv", "dan_20261119.csv"]
        assert len(list((server.folder / "done").iterdir())) == 2
    finally:
        server.stop()


# -- servers that hang ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["sftp", "ftp", "s3"])
@pytest.mark.parametrize("greeting", [b"", b"close"], ids=["hangs", "closes"])
def test_a_server_that_hangs_or_closes(scheme: str, greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_remote, "TIMEOUT", 0.3)
    held: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        held.append(connection)
        if greeting:
            connection.close()

    with contextlib.contextmanager(listening)(answer) as port:
        where = f"s3://AK:p%40ss@bucket/x?endpoint=http://127.0.0.1:{port}" if scheme == "s3" else (
            f"{scheme}://u:p%40ss@127.0.0.1:{port}/"
        )  # fmt: skip
        env = {"KHO_SOURCE_TEST": where, "KHO_HOST_KEY": f"[127.0.0.1]:{port} ssh-ed25519 {'A' * 68}"}
        known = SftpServer(Path("unused"), Path("unused"), FaultPlan()).known_hosts.split(" ", 1)[1]
        env["KHO_HOST_KEY"] = f"[127.0.0.1]:{port} {known}"
        error = refusal(contract("a", glob=DATED, **KNOWN), env)
    assert (error.code, error.transient) == ("source_down", True)


@pytest.mark.parametrize(
    "address", ["http://u:p%40ss@127.0.0.1/x", "sftp://u:p%40ss@127.0.0.1:nope/", "sftp:///x", "sftp://127.0.0.1/x"]
)
def test_addresses_that_cannot_be_meant(address: str) -> None:
    env = {"KHO_SOURCE_TEST": address, "KHO_HOST_KEY": "x"}
    assert refusal(contract("a", glob=DATED, **KNOWN), env).code == "bad_address"


def test_links_are_told_and_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    away, drop = tmp_path / "away", tmp_path / "drop"
    for folder in (away, drop, drop / "xa1"):
        folder.mkdir()
    for path in (away / "dan_20261119.csv", drop / "xa1" / "dan_20261118.csv"):
        path.write_text("a,b\n1,2\n", encoding="utf-8")
        os.utime(path, (0, 0))
    (drop / "xa1" / "dan_20261119.csv").symlink_to(away / "dan_20261119.csv")
    (drop / "xa1" / "dan_20261120.csv").symlink_to(away / "nowhere")
    (drop / "xa2").symlink_to(away)
    (tmp_path / "root").symlink_to(drop)  # whoever names the folder may name it by a link
    asked, found = contract("a", "b", glob="*/dan_{date}.csv", after="move"), []
    with pytest.raises(KhoError) as told:
        for delivery in open_source(asked, None, {"KHO_SOURCE_TEST": str(tmp_path / "root")}):
            found.append((delivery.name, b"".join(delivery.chunks)))
            delivery.done()
    assert [name for name, _ in found] == ["*_20261118.csv"] or [name for name, _ in found] == ["*/dan_20261118.csv"]
    assert told.value.code == "link"
    assert all(name in told.value.vi for name in ("xa1/dan_20261119.csv", "xa1/dan_20261120.csv", "xa2"))
    assert (drop / "xa1" / "done" / "dan_20261118.csv").exists() and (away / "dan_20261119.csv").exists()


def test_what_becomes_a_link_after_it_was_listed(tmp_path: Path) -> None:
    away, drop = tmp_path / "away", tmp_path / "drop"
    for folder in (away, drop, drop / "xa"):
        folder.mkdir()
    for path in (away / "a.csv", drop / "xa" / "a.csv", drop / "b.csv"):
        path.write_text("Bí mật" if path.parent == away else "a", encoding="utf-8")
    place = places.Folder("${X}", drop, "x")
    inner, outer = place.look("xa/a.csv"), place.look("b.csv")
    assert inner is not None and outer is not None
    (drop / "xa" / "a.csv").unlink()
    (drop / "xa").rmdir()
    (drop / "xa").symlink_to(away)
    (drop / "b.csv").unlink()
    (drop / "b.csv").symlink_to(away / "a.csv")
    for found in (inner, outer):
        with pytest.raises(KhoError) as refused:
            list(place.read(found))
        assert (refused.value.code, refused.value.transient) == ("link", False)
    (drop / "b.csv").unlink()
    (drop / "b.csv").write_text("b", encoding="utf-8")
    (drop / "done").symlink_to(away)
    now = place.look("b.csv")
    assert now is not None
    with pytest.raises(KhoError) as refused:
        place.put_away(now)
    assert refused.value.code == "put_away" and not (away / "b.csv").exists()
