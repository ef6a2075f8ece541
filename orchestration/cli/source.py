"""Sources of the agencies, tried out: `kho source …`. No warehouse is needed.

Belongs here: which sources are tried, and telling what came of it. Stays out: trying (`sources.trial`), readers (`sources`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from orchestration.cli.base import Group, chosen, examples, json_option
from orchestration.cli.output import print_columns, print_json
from orchestration.report.words import TRIAL_STATES, TRIAL_STEPS, both

if TYPE_CHECKING:
    from orchestration.sources.trial import Trial


@click.group(cls=Group, help="Nguồn dữ liệu của các cơ quan / The agencies' sources")
def source() -> None:
    """Sources."""


@source.command(
    name="test",
    offline=True,
    help="Thử kết nối, đăng nhập và cột của từng nguồn, không nạp và không ghi gì / Try connection, credentials and columns of "
    "each source; nothing is loaded, nothing written. Mã thoát / Exit code: 1 có nguồn không trả lời đúng hợp đồng / a source "
    "does not answer as its contract says; bộ nháp chưa kết nối chỉ tính khi được gọi tên / drafts not connected count only "
    "when named.",
    epilog=examples("kho source test", "kho source test health", "kho source test home_affairs.unit_e2 --json"),
)
@click.argument("names", nargs=-1, metavar="[AGENCY|DATASET…]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Số giây chờ mỗi nguồn / Seconds for each source",
)
@json_option
def source_test(names: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Each source by itself, agencies side by side, in the order of the contracts."""
    from orchestration.contracts import load_all
    from orchestration.sources.trial import as_plain, try_sources

    trials = []
    for trial in try_sources(chosen(load_all(), names), os.environ, timeout=timeout):
        trials.append(trial)
        if not as_json and (names or not _is_silent(trial)):
            _tell(trial)
    if as_json:
        print_json([as_plain(trial) for trial in trials])
    else:
        _sum_up(trials, names)
    return 1 if any(trial.state != "ok" and (names or not _is_silent(trial)) for trial in trials) else 0


def _is_silent(trial: Trial) -> bool:
    """Whether it is a draft that nobody has connected."""
    return trial.state == "not_connected" and trial.status == "draft"


def _name(trial: Trial) -> str:
    return trial.dataset if trial.channel == "source" else f"{trial.dataset} ({trial.channel})"


def _seconds(trial: Trial) -> str:
    return f"{trial.seconds:.1f}".replace(".", ",") + " s"


def _tell(trial: Trial) -> None:
    """What the source answered, step by step."""
    click.echo(f"{'OK ' if trial.state == 'ok' else 'LỖI'} {_name(trial)}: {_seconds(trial)}")
    if trial.state != "not_connected":
        for step, outcome in trial.steps.items():
            click.echo(f"    {both(TRIAL_STEPS, step)}: {both(TRIAL_STATES, outcome)}")
    for line in trial.lines:
        click.echo(f"    {line}")


def _sum_up(trials: Sequence[Trial], names: Sequence[str]) -> None:
    """One line a source; drafts that nobody has connected are one line together, unless they were asked for."""
    silent = [] if names else [trial for trial in trials if _is_silent(trial)]
    note = ""
    if silent:
        per_agency = ", ".join(f"{agency} {n}" for agency, n in sorted(Counter(t.agency for t in silent).items()))
        note = f"{len(silent)} nguồn nháp chưa kết nối: {per_agency} / {len(silent)} sources of drafts not connected"
    print_columns(
        "Nguồn dữ liệu / Sources",
        [trial for trial in trials if trial not in silent],
        [
            ("Nguồn / Source", _name),
            ("Kết quả / Result", lambda t: both(TRIAL_STATES, t.state)),
            ("Kết nối / Connection", lambda t: both(TRIAL_STATES, t.steps["connection"])),
            ("Đăng nhập / Credentials", lambda t: both(TRIAL_STATES, t.steps["credentials"])),
            ("Hợp đồng / Contract", lambda t: both(TRIAL_STATES, t.steps["contract"])),
            ("Mã lỗi / Error", lambda t: t.code),
            ("Thời gian / Time #", _seconds),
        ],
        note=note,
    )
