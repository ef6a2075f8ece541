"""`kho quarantine answer`: a corrected workbook becomes one delivery for each of its datasets.

Belongs here: the order of things: everything is read and judged before anything is landed. Stays out: reading (`returned`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import psycopg

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError, pg_error
from orchestration.landing import returned
from orchestration.landing.land import Receipt, land
from orchestration.warehouse import connect, refuse_synthetic_outside


def answer(contracts: Sequence[Contract], path: Path, *, by: str, night: date) -> list[Receipt]:
    """Land what an agency corrected in a workbook of `kho quarantine report`; one receipt for each dataset with changes.

    Nothing is landed when any row of any sheet is not one that waits in quarantine. KhoError `answer` names sheet and rows,
    `nothing_changed` says that the workbook is as it was made.
    """
    refuse_synthetic_outside()
    by_id = {contract.id: contract for contract in contracts}
    sha256 = hashlib.sha256(path.read_bytes()).digest()
    as_of = settings.now()
    answers: list[tuple[Contract, returned.Answer]] = []
    seen: set[str] = set()
    failure: KhoError | None = None
    try:
        with connect("loader") as connection:
            for sheet in returned.sheets(path):
                contract = by_id.get(sheet.dataset)
                if contract is None or contract.id in seen:
                    raise KhoError(
                        "answer",
                        f"{path.name}, trang «{sheet.name}»: không có hợp đồng cho bộ dữ liệu này, hoặc nó có hai trang",
                        f"{path.name}, sheet «{sheet.name}»: there is no contract for this dataset, or it has two sheets",
                        {"file": path.name, "sheet": sheet.name},
                    )
                seen.add(contract.id)
                found = returned.read(connection, contract, sheet, path=path, sha256=sha256, by=by, as_of=as_of)
                if found is not None:
                    answers.append((contract, found))
    except psycopg.Error as error:
        failure = pg_error(error, relation="quarantine.row")
    if failure is not None:
        raise failure
    if not answers:
        raise KhoError(
            "nothing_changed",
            f"{path.name}: không có ô nào được sửa",
            f"{path.name}: no cell was changed",
            {"file": path.name},
        )
    return [land(contract, found, night=night, confirmed_by=by) for contract, found in answers]
