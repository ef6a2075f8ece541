"""Two nights of a small province, made by the engine's own landing, gate tables and promotion; and a way to call
`kho`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.cli import main


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def kho(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command in this process, as the console script does."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


@dataclass
class Province:
    """A warehouse after two nights, and how to add to it."""

    home: Path
    drop: Path
    first: date = date(2025, 11, 20)
    second: date = date(2025, 11, 21)
    #: A personal value, planted where a careless query would pick it up.
    secret: str = "Nguyễn Văn Bí Mật 024099000111"
    units: tuple[str, ...] = (
        "ward_code,ward,area_km2,lat,lon",
        *(f"072{n:02},Phường Thử {n},{10 + n}.50,21.{n:02},106.2" for n in range(10)),
    )

    def land_units(self, night: date, lines: Sequence[str]) -> None:
        """One file of the department of home affairs, landed."""
        from orchestration.contracts import load_all
        from orchestration.landing import land_dataset

        self.drop.mkdir(exist_ok=True)
        (self.drop / f"units_e2_{night:%Y%m%d}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        contract = next(c for c in load_all() if c.id == "home_affairs.unit_e2")
        land_dataset(contract, night=night, env={"KHO_SOURCE_HOME_AFFAIRS": str(self.drop)})

    def build(
        self,
        subject: str,
        table: str,
        rows: str,
        night: date,
        failing: Sequence[tuple[str, int | None, str | None]] = (),
    ) -> int:
        """A build whose candidate is `rows` (a SELECT), frozen and judged; `failing` lists (key as JSON, delivery,
        agency)."""
        from orchestration.release import begin, diff, ledger
        from orchestration.warehouse import connect

        number = begin(subject, night)
        with connect("transform") as c:
            c.execute(f"drop table if exists candidate_{subject}.{table}".encode())
            c.execute(f"create table candidate_{subject}.{table} as {rows}".encode())
            c.execute("select release.declare(%s, %s, %s, false)", (subject, table, ["code"]))
        diff(subject, number)
        with connect("gate") as c:
            c.execute(
                "insert into kho.gate values (%s, %s, %s, 'rules', true)",
                (number, subject, "fail" if failing else "pass"),
            )
            for expectation, severity, success, n, vi in (
                ("known_commune", "critical", not failing, len(failing), "Mã xã phải có trong danh mục"),
                ("has_phone", "warning", False, 3, "Nên có số điện thoại"),
            ):
                c.execute(
                    """insert into kho.gate_result
                       values (%s, %s, %s, %s, 'expect', %s, 'đúng', 'row', %s, 10, %s, %s, 'in English')""",
                    (number, subject, expectation, table, severity, success, n, vi),
                )
            for key, delivery, agency in failing:
                c.execute(
                    "insert into kho.gate_failure values (%s, %s, 'known_commune', %s, %s, %s, %s)",
                    (number, subject, table, key, delivery, agency),
                )
            ledger.append(c, "gate", subject, number)
        return number

    def release(self, subject: str, table: str, rows: str, night: date) -> None:
        """A build that passes and is promoted."""
        from orchestration.release import pipeline, promote

        number = self.build(subject, table, rows, night)
        promote(subject, number, by="kho")
        pipeline.record(subject, night, "released", number, "", "")


@pytest.fixture(scope="module")
def province(reset: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Province:
    """Two nights. In the second: governance released, education stale, health held, smart_city blocked, one source
    down, two units in quarantine and a licence with a planted personal value."""
    from orchestration.contracts import load_all
    from orchestration.errors import KhoError
    from orchestration.landing import land_dataset
    from orchestration.release import ledger, pipeline
    from orchestration.warehouse import connect

    p = Province(reset(), tmp_path_factory.mktemp("drop") / "home_affairs")
    units = (
        "select format('072%s', lpad(n::text, 2, '0')) as code, {name} as name from generate_series({first}, {last}) n"
    )
    facilities = "select format('24%s', lpad(n::text, 3, '0')) as code, {beds} as beds from generate_series(1, 20) n"
    p.land_units(p.first, p.units)
    p.release("governance", "dim_unit", units.format(name="'Phường ' || n", first=0, last=9), p.first)
    p.release("health", "dim_facility", facilities.format(beds="40 + n"), p.first)

    p.land_units(p.second, [*p.units[:9], "7299,Phường Sai Mã,1.0,21.1,106.2", "07250,Phường Sai Vĩ Độ,1.0,12.1,106.2"])
    licence = next(c for c in load_all() if c.id == "health.licence")
    with pytest.raises(KhoError):
        land_dataset(licence, night=p.second, env={})
    with connect("admin") as admin:
        admin.execute(
            """insert into quarantine.row values (901, 'health.licence', 2, 17,
                   jsonb_build_object('licence_no', 'GP-17'), jsonb_build_object('x', %s::text))""",
            (p.secret,),
        )
        for code, column, found, expected, vi in (
            ("pattern", "responsible_id", p.secret, "^\\d{12}$", "Số định danh: không đúng mẫu"),
            ("pattern", "no_longer_there", p.secret, "x", "Cột cũ: sai"),
            ("allowed", "status", "DA_HUY", "HIEU_LUC", "Trạng thái: ngoài danh mục"),
        ):
            admin.execute(
                "insert into quarantine.problem values (901, %s, %s, %s, %s, %s, 'in English')",
                (code, column, found, expected, vi),
            )
    p.release(
        "governance",
        "dim_unit",
        units.format(name="case n when 3 then 'Mới' else 'Phường ' || n end", first=1, last=10),
        p.second,
    )
    failing = [(json.dumps({"code": f"240{n:02}"}), 2, "health") for n in range(1, 15)]
    held = p.build("health", "dim_facility", facilities.format(beds="99"), p.second, failing)
    pipeline.record(
        "health",
        p.second,
        "held",
        held,
        "Y tế bị giữ: Mã xã phải có trong danh mục (14)",
        "health is held: commune (14)",
    )
    pipeline.record(
        "education",
        p.second,
        "stale",
        None,
        "dùng số liệu lần trước của education.school",
        "on earlier rows of education.school",
    )
    pipeline.record(
        "smart_city",
        p.second,
        "blocked",
        None,
        "Đô thị thông minh bị chặn: chưa từng có education.school",
        "smart_city is blocked",
    )
    with connect("release") as connection:
        ledger.export_anchor(connection, p.second.isoformat())
    return p


LICENCE = "health_system.facility_licence"


@dataclass
class Outward:
    """What stands for the exchange and the portal: what they are to answer, and what they were asked."""

    obligations: list[Any] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)
    letters: list[Any] = field(default_factory=list)
    #: Obligation -> what its next runs and comparisons come to, one after the other; an exception is raised.
    runs: dict[str, list[Any]] = field(default_factory=dict)
    compared: dict[str, list[Any]] = field(default_factory=dict)
    published: list[Any] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def owes(self, obligation: str = LICENCE, *, status: str = "active", **state: Any) -> None:
        """One more obligation, and its state when one is given."""
        system, name = obligation.split(".")
        self.obligations.append(
            SimpleNamespace(id=obligation, system=system, name=name, title=f"Nghĩa vụ {name}", status=status)
        )
        if state:
            self.states.append(self.state(obligation, **state))

    @staticmethod
    def state(obligation: str = LICENCE, **given: Any) -> Any:
        from orchestration.exchange import ObligationState

        system, name = obligation.split(".")
        plain: dict[str, Any] = {
            "obligation": obligation, "system": system, "title": f"Nghĩa vụ {name}", "subject": "health",
            "state": "current", "because_vi": "", "because_en": "", "released": 2, "planned": 2, "pending": 0,
            "uncertain": 0, "confirmed": 1200, "rejected": 0, "overdue": 0, "oldest_due": None, "last_run_at": None,
            "next_at": None, "owner": "Sở Y tế", "reconciled_at": None, "drift": None, "unrepaired": None,
        }  # fmt: skip
        return ObligationState(**(plain | given))

    def refuses(self, seq: int, owner: str, **given: Any) -> None:
        """One more dead letter."""
        from orchestration.exchange import DeadLetter

        plain: dict[str, Any] = {
            "obligation": LICENCE, "seq": seq, "key": f"GP-{seq}", "release": 2, "code": "23",
            "reason_vi": "Mã cơ sở không có trong danh mục của Bộ", "reason_en": "The facility is unknown to the ministry",
            "owner": owner, "rejected_at": datetime(2025, 11, 21, 18, 5, tzinfo=UTC), "due_on": date(2025, 11, 28),
            "closed_by": None,
        }  # fmt: skip
        self.letters.append(DeadLetter(**(plain | given)))

    def publishes(self, dataset: str = "communes", **given: Any) -> None:
        """One more open dataset."""
        from orchestration.portal import PortalState

        plain: dict[str, Any] = {
            "dataset": dataset, "title_vi": f"Bộ {dataset}", "title_en": f"Set {dataset}", "subject": "governance",
            "state": "published", "version": 3, "release": 2, "released": 2, "rows": 99,
            "published_at": datetime(2025, 11, 21, 18, 30, tzinfo=UTC), "because_vi": "", "because_en": "",
        }  # fmt: skip
        self.published.append(PortalState(**(plain | given)))


@pytest.fixture
def outward(monkeypatch: pytest.MonkeyPatch) -> Outward:
    """Exchange and portal replaced at the functions that the commands call."""
    from orchestration import exchange, portal

    o = Outward()

    def next_of(answers: dict[str, list[Any]], obligation: Any) -> Any:
        answer = answers[obligation.id].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(obligation: Any, *, seconds: float, env: Any, today: date | None = None) -> Any:
        o.asked.append(("run", obligation.id, seconds, env.get("KHO_TEST")))
        return next_of(o.runs, obligation)

    def reconcile(obligation: Any, *, env: Any, full: bool, confirmed_by: str | None, today: date | None = None) -> Any:
        o.asked.append(("reconcile", obligation.id, full, confirmed_by))
        return next_of(o.compared, obligation)

    def retry(obligation: Any, seqs: Sequence[int] | None, *, by: str) -> int:
        o.asked.append(("retry", obligation.id, seqs, by))
        return len(o.letters) if seqs is None else len(seqs)

    def dead_letters(obligation: str | None = None, *, closed: bool = False) -> list[Any]:
        return [d for d in o.letters if (closed or d.closed_by is None) and obligation in (None, d.obligation)]

    def states(obligations: Sequence[Any]) -> list[Any]:
        known = {obligation.id for obligation in obligations}
        return [state for state in o.states if state.obligation in known]

    monkeypatch.setattr(exchange, "load_all", lambda: o.obligations)
    monkeypatch.setattr(exchange, "states", states)
    monkeypatch.setattr(exchange, "run", run)
    monkeypatch.setattr(exchange, "reconcile", reconcile)
    monkeypatch.setattr(exchange, "retry", retry)
    monkeypatch.setattr(exchange, "dead_letters", dead_letters)
    monkeypatch.setattr(portal, "load_all", list)
    monkeypatch.setattr(portal, "states", lambda datasets: o.published)
    monkeypatch.setenv("KHO_TEST", "here")
    return o
