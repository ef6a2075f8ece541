"""Backup and restore, rehearsed: from one KHO_HOME into another, and every reason to refuse."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

Kho = Callable[..., Any]


@pytest.fixture(scope="module")
def file(province: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the province."""
    from orchestration.warehouse.backup import backup

    path = tmp_path_factory.mktemp("backup") / "kho.tar"
    backup(path, dagster=True)
    return path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another KHO_HOME, on a machine where nothing was ever run."""
    from orchestration.warehouse import embedded

    home = Path(tempfile.mkdtemp(prefix="kho-other-"))
    with monkeypatch.context() as patch:
        patch.setenv("KHO_HOME", str(home))
        yield home
        embedded.stop()
    shutil.rmtree(home, ignore_errors=True)


def rows() -> dict[str, Any]:
    """What a reader finds."""
    from orchestration.warehouse import connect

    tables = "governance.dim_unit", "raw.home_affairs__unit_e2", "kho.delivery", "journal.governance__dim_unit"
    with connect("admin") as admin:
        return {name: admin.execute(f"select * from {name} order by 1, 2".encode()).fetchall() for name in tables}


def test_a_backup_is_for_its_maker_only_and_holds_no_key(file: Path, province: Any) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert names[0] == "kho.dump" and names[-1] == "manifest.json"
    assert "deliveries/home_affairs/unit_e2/000000001.csv.zst" in names and "kho_dagster.dump" in names
    key = (province.home / "secrets" / "ledger.key").read_text()
    assert key.encode() not in file.read_bytes() and not any("secret" in name for name in names)
    assert manifest["ledger_seq"] == 9 and set(manifest["files"]) == set(names[:-1])


def test_deliveries_may_be_left_out(kho: Kho, province: Any, tmp_path: Path) -> None:
    ran = kho("backup", tmp_path / "small.tar", "--without-deliveries")
    assert ran.code == 0 and "KHÔNG nằm trong bản sao lưu" in ran.out and "NOT in the backup" in ran.out
    with tarfile.open(tmp_path / "small.tar") as tar:
        assert tar.getnames() == ["kho.dump", "manifest.json"]


def test_restored_elsewhere_it_is_the_same_warehouse(kho: Kho, file: Path, province: Any, elsewhere: Path) -> None:
    import os

    from orchestration.warehouse import connect

    ran = kho("restore", file)
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [ledger_key]")
    assert not (elsewhere / "secrets").exists() and not (elsewhere / "postgres").exists()
    shutil.copytree(province.home / "secrets", elsewhere / "secrets")
    ran = kho("restore", file)
    assert ran.code == 0 and "toàn vẹn / The ledger holds: 9" in ran.out, ran.err

    assert kho("ledger", "verify", "--anchor", province.home / "anchors" / f"{province.second}.json").code == 0
    kept = elsewhere / "deliveries" / "home_affairs" / "unit_e2"
    assert sorted(p.name for p in kept.iterdir()) == ["000000001.csv.zst", "000000002.csv.zst"]
    assert kept.stat().st_mode & 0o777 == 0o700
    there = rows()
    os.environ["KHO_HOME"] = str(province.home)
    assert there == rows()
    os.environ["KHO_HOME"] = str(elsewhere)
    for role in ("loader", "transform", "gate", "release", "exchange", "portal", "analyst"):
        for statement in ("delete from governance.dim_unit", "insert into kho.release default values"):
            with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with connect("dagster") as connection:
        connection.execute("create table mine (id int)")

    # It goes on from there: the next build finds release, journal and grants as they were.
    province.release("governance", "dim_unit", "select '07201' as code, 'Phường 1' as name", province.second)
    assert kho("release", "diff", "governance", 2, 3, "--json").json["tables"][0]["deleted"] == 9
    assert kho("ledger", "verify").code == 0
    # And it is in nobody's way: a warehouse that holds data is replaced only on request.
    ran = kho("restore", file)
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [not_empty]")
    assert kho("restore", file, "--yes").code == 0
    assert rows() == there


def test_a_damaged_backup_changes_nothing(kho: Kho, file: Path, province: Any, tmp_path: Path) -> None:
    before = rows()
    damaged = tmp_path / "damaged.tar"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    damaged.write_bytes(content)
    ran = kho("restore", damaged, "--yes")
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [backup_damaged]: bản sao lưu hỏng: ")
    (tmp_path / "no.tar").write_text("not a tar")
    assert kho("restore", tmp_path / "no.tar", "--yes").err.startswith("Lỗi / Error [backup_damaged]")
    assert rows() == before


def test_what_was_on_its_way_is_asked_about_and_what_was_published_is_there(
    kho: Kho, province: Any, tmp_path: Path, elsewhere: Path
) -> None:
    """After a restore nobody knows what has been sent since; a published file is read-only and comes back as it was."""
    import os

    from orchestration.warehouse import connect

    os.environ["KHO_HOME"] = str(province.home)
    version = province.home / "portal" / "communes" / "1" / "data.csv"
    version.parent.mkdir(parents=True)
    version.write_text("commune_code\r\n07210\r\n", encoding="utf-8")
    version.chmod(0o444)
    (version.parents[1] / "latest.json").write_text("{}", encoding="utf-8")
    with connect("admin") as admin:
        admin.execute(
            "insert into kho.obligation (obligation, subject, table_name) values ('a.b', 'governance', 'dim_unit')"
        )
        for batch, state in enumerate(("pending", "sending", "confirmed"), start=1):
            admin.execute(
                "insert into kho.batch (obligation_id, batch, release, operation, first_seq, last_seq, messages, state, due_on)"
                " values (1, %s, 1, 'insert', %s, %s, 1, %s, current_date)",
                (batch, batch, batch, state),
            )
    assert kho("backup", tmp_path / "kho.tar").code == 0
    with connect("admin") as admin:
        admin.execute("delete from kho.batch")
        admin.execute("delete from kho.obligation")
    shutil.copytree(province.home / "secrets", elsewhere / "secrets")
    os.environ["KHO_HOME"] = str(elsewhere)
    for arguments in ((), ("--yes",)):
        umask = os.umask(0o077)
        try:
            assert kho("restore", tmp_path / "kho.tar", *arguments).code == 0
        finally:
            os.umask(umask)
        restored = elsewhere / "portal" / "communes" / "1" / "data.csv"
        assert restored.read_bytes() == version.read_bytes()
        modes = [
            path.stat().st_mode & 0o777
            for path in (restored, *restored.parents[:3], restored.parents[1] / "latest.json")
        ]
        assert modes == [0o444, 0o755, 0o755, 0o755, 0o644], "whatever the umask"
        with connect("admin") as admin:
            found = admin.execute("select state from kho.batch order by batch").fetchall()
        assert [state for (state,) in found] == ["sending", "sending", "confirmed"]
    shutil.rmtree(province.home / "portal")


def test_a_forged_ledger_leaves_the_warehouse_as_it_was(kho: Kho, province: Any, tmp_path: Path) -> None:
    from orchestration.warehouse import connect
    from orchestration.warehouse.backup import backup

    def by_whom(name: str) -> None:
        with connect("admin") as admin:
            admin.execute("update kho.release set by_whom = %s where subject = 'health' and release = 1", (name,))

    by_whom("somebody else")
    backup(tmp_path / "forged.tar")
    by_whom("kho")
    ran = kho("restore", tmp_path / "forged.tar", "--yes")
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [restored_ledger]")
    assert kho("ledger", "verify").code == 0
    ran = kho("restore", tmp_path / "forged.tar", "--yes", "--unverified")
    assert ran.code == 0 and "CHƯA được kiểm tra / The ledger was NOT verified" in ran.err
    assert kho("ledger", "verify").code == 1
