"""`make demo`: three nights of the simulated province through Kho, as its people would see them. `make province`: one with every agency.

Belongs here: starting the agencies' systems, running `kho` as a person would, saying what to look at. Stays out: Kho itself, which
is only called by its command.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

FIRST_NIGHT = date(2026, 11, 20)
STORY = {
    1: (
        "Đêm 1: mọi cơ quan giao lần đầu; giấy phép lên Bộ Y tế, dữ liệu mở được công bố; Bộ từ chối hai giấy phép",
        "Night 1: every agency delivers for the first time; licences go up, open data out; the ministry refuses two licences",
    ),
    2: (
        "Đêm 2: 1 % thay đổi; Sở GDĐT giao mã xã không tồn tại; máy chủ của Sở Y tế ngừng trả lời",
        "Night 2: 1 % changes; Education delivers commune codes that do not exist; Health's server is down",
    ),
    3: (
        "Đêm 3: Sở GDĐT giao lại bản đã sửa, Sở Y tế hoạt động lại; một giấy phép bị từ chối được sửa ở nguồn và lên được Bộ",
        "Night 3: Education delivers a corrected workbook, Health is back; a refused licence, mended at its source, goes up",
    ),
}
#: The same with every agency's systems: what comes in, what is wrong in it, and who is told.
PROVINCE = {
    1: (
        "Đêm 1: hơn hai mươi cơ quan giao dữ liệu từ mọi loại hệ thống; dòng sai chờ đơn vị sửa, mỗi loại lỗi một phiếu",
        "Night 1: more than twenty agencies deliver from every kind of system; wrong rows wait for them, each kind of error has a ticket",
    ),
    2: (
        "Đêm 2: phần thay đổi của một ngày; phiếu đóng khi lần giao sau đúng",
        "Night 2: what changed in a day; tickets close where a later delivery is right",
    ),
}
EXPECTED = {1: 3, 2: 3, 3: 3}  # `kho night`: 3 because something is behind: first two dead letters, at the end one


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demo; 0 when each night ended as the story says. `--all`: two nights of every agency instead of three of four."""
    everything = "--all" in arguments
    story = PROVINCE if everything else STORY
    home = Path(os.environ.get("KHO_HOME") or ".kho").resolve()
    if os.environ.get("WAREHOUSE_URL"):
        return _refuse("WAREHOUSE_URL trỏ tới kho ngoài: dữ liệu mô phỏng chỉ vào kho nhúng",
                       "WAREHOUSE_URL names an external warehouse: synthetic data goes into the embedded one only")  # fmt: skip
    marker = home / "demo"
    if (home / "postgres").exists() and not marker.exists():
        return _refuse(f"{home} đã có một kho không phải của bản trình diễn: hãy đặt KHO_HOME khác",
                       f"{home} holds a warehouse that is not the demo's: set another KHO_HOME")  # fmt: skip
    environment = {
        **os.environ,
        "KHO_HOME": str(home),
        "KHO_RETRY_SECONDS": os.environ.get("KHO_RETRY_SECONDS", "1"),
        "PYTHONUNBUFFERED": "1",
    }
    started = time.monotonic()
    if marker.exists():
        _kho(["stop"], environment)
        shutil.rmtree(home)
    marker.mkdir(parents=True)
    _title("Chuẩn bị kho và hệ thống của các cơ quan", "The warehouse and the agencies' systems start")
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulator",
            *([] if everything else ["--bare"]),
            "--home",
            str(marker),
            "--scale",
            "0.01",
        ],
        env=environment,
    ) as agencies:
        try:
            if _kho(["init"], environment) != 0:
                return 1
            environment |= _sources(marker, agencies)
            if everything:
                _kho(["source", "test"], environment)
            for night in story:
                wanted = EXPECTED[night]
                _title(*story[night])
                if night > 1:
                    subprocess.run(
                        [sys.executable, "-m", "simulator", "night", str(night), "--home", str(marker)],
                        env=environment,
                        check=True,
                    )
                found = _kho(["night", "--date", (FIRST_NIGHT + timedelta(days=night - 1)).isoformat()], environment)
                if found != wanted:
                    return _refuse(
                        f"đêm {night} kết thúc với mã {found}, phải là {wanted}",
                        f"night {night} ended with {found}, {wanted} was expected",
                    )
                if night == 1:
                    _kho(["exchange", "dead-letters"], environment)
                if night == 2:
                    _kho(["gate", "show", "education"], environment)
                    _kho(["quarantine", "list", "--dataset", "education.school"], environment)
            if everything:
                _title("Đơn vị được báo dòng nào sai", "The agencies are told which of their rows are wrong")
                _kho(["quarantine", "tickets", "--agency", "education"], environment)
                _kho(["quarantine", "report", "--agency", "all", "--out", str(home / "quarantine")], environment)
            _title("Đối soát với Bộ Y tế", "Both sides are compared")
            if _kho(["exchange", "reconcile", "--full"], environment) != 0:
                return 1
        finally:
            agencies.terminate()
    _title("Đã xong", f"{len(story)} nights in {time.monotonic() - started:.0f} s")
    _kho(["status"], environment)
    _kho(["release", "list"], environment)
    _kho(["exchange", "dead-letters", "--all"], environment)
    _kho(["portal", "check"], environment)
    _kho(["ledger", "verify"], environment)
    prefix = "" if home == Path(".kho").resolve() else f"KHO_HOME={home} "
    print(f"""
Xem tiếp / where to look:
  {prefix}make up                       Dagster: http://127.0.0.1:3000
  {prefix}.venv/bin/kho status          bảng tình trạng / datasets, subjects, obligations, open data
  {prefix}.venv/bin/kho psql            vai trò phân tích / as an analyst: select * from smart_city.mart_commune_profile;
  {prefix}.venv/bin/kho release diff education 1 2
  {prefix}.venv/bin/kho gate show education
  {home / "portal" / "catalog.jsonld"}   Danh mục dữ liệu mở / the catalogue of open data
  {home / "reports" / "latest.html"}   Báo cáo đêm / the night's report
""")
    return 0


def _kho(arguments: list[str], environment: dict[str, str]) -> int:
    print(f"\n$ kho {' '.join(arguments)}", flush=True)
    return subprocess.run(
        [str(Path(sys.executable).parent / "kho"), *arguments], env=environment, check=False
    ).returncode


def _sources(marker: Path, agencies: subprocess.Popen[bytes]) -> dict[str, str]:
    """The variables by which contracts find the agencies' systems, once those are ready."""
    ready = marker / "sources.json"
    for _ in range(600):
        if ready.exists():
            return dict(json.loads(ready.read_text(encoding="utf-8")))
        if agencies.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("hệ thống mô phỏng không khởi động được / the simulated systems did not start")


def _title(vi: str, en: str) -> None:
    print(f"\n{'═' * 100}\n{vi}\n{en}\n{'═' * 100}", flush=True)


def _refuse(vi: str, en: str) -> int:
    print(f"Lỗi / Error: {vi} / {en}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
