"""Files in S3: a far end in this process, objects that stay, are replaced and are put away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.sources import open_source, places, places_remote

from .file_contracts import contract, large_text, parsed, refusal, taken

#: One server, which takes seconds to import.
pytestmark = pytest.mark.xdist_group("s3")
DATED = "dan_{date}.csv"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SETTLE", 0.0)


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, Any]]:
    """(address of a bucket's folder, file system over it)."""
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    system = s3fs.S3FileSystem(
        key="AK", secret="p@ss", endpoint_url=endpoint, client_kwargs={"region_name": "us-east-1"}
    )
    system.call_s3("create_bucket", Bucket="police-drop")
    yield f"s3://AK:p%40ss@police-drop/gửi?endpoint={endpoint}", system
    server.stop()


def test_s3_is_read_left_and_put_away(s3: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_remote, "S3_BLOCK", 256 * 1024)
    address, system = s3
    env = {"KHO_SOURCE_TEST": address}
    asked = contract("a", "b", glob=DATED)
    assert taken(asked, env) == ({}, None), "a prefix without objects is an empty folder"
    text = large_text().encode()[:700_000]
    system.pipe_file("police-drop/gửi/dan_20261118.csv", text)
    system.pipe_file("police-drop/gửi/dan_20261119 sửa.csv", b"a,b\n1,2\n")
    system.pipe_file("police-drop/gửi/dan_20261119-2.csv", b"a,b\n1,2\n")
    error = refusal(asked, env)
    assert error.code == "file_name" and "dan_20261119 sửa.csv" in error.vi
    system.rm("police-drop/gửi/dan_20261119 sửa.csv")
    found, cursor = taken(asked, env)
    assert list(found) == ["dan_20261118.csv", "dan_20261119-2.csv"] and found["dan_20261118.csv"] == text
    system.pipe_file("police-drop/gửi/dan_20261119-2.csv", b"a,b\n1,3\n")
    assert taken(asked, env, cursor)[0] == {"dan_20261119-2.csv": b"a,b\n1,3\n"}, "replaced, in the same second perhaps"
    taken(contract("a", "b", glob=DATED, after="move"), env)
    system.invalidate_cache()
    names = sorted(name.rpartition("gửi/")[2] for name in system.find("police-drop"))
    assert names == ["done/dan_20261118.csv", "done/dan_20261119-2.csv"]


def test_s3_in_batches_and_refusals(s3: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, system = s3
    for ward in ("07210", "07213"):
        system.pipe_file(f"police-drop/gửi/{ward}/dan_20261119.csv", b"name\nan\n")
    asked = contract("ward", "name", glob="{ward}/dan_{date}.csv")
    (delivery,) = open_source(asked, None, {"KHO_SOURCE_TEST": address})
    rows = parsed(asked, delivery, tmp_path)
    assert [(row["_file"], row["ward"]) for row in rows] == [
        ("07210/dan_20261119.csv", "07210"),
        ("07213/dan_20261119.csv", "07213"),
    ]
    nowhere = address.replace("police-drop", "no-such-bucket")
    assert (error := refusal(asked, {"KHO_SOURCE_TEST": nowhere})).code == "missing_folder" and not error.transient
    nobody = address.replace("AK:p%40ss@", "")
    assert refusal(asked, {"KHO_SOURCE_TEST": nobody}).code == "login_refused"
