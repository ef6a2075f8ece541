"""The catalogue of shared databases, as the law on data asks for it, made from the contracts.

Purpose: one row per dataset with its owner, law, frequency, sharing method and data items. Belongs here: the rows.
Stays out: how they are shown or published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from orchestration.contracts.model import Contract

SHARING = {"open": "dữ liệu mở", "shared": "dùng chung", "restricted": "dùng riêng"}
METHODS = {
    "postgresql": "cơ sở dữ liệu",
    "database": "cơ sở dữ liệu",
    "json": "API qua LGSP",
    "receipts": "API giao nhận",
    "xroad": "X-Road (SOAP)",
    "xml130": "cổng giám định bảo hiểm y tế",
    "stations": "tệp trạm quan trắc",
    "xlsx": "tệp Excel",
    "xls": "tệp Excel",
    "fixed": "tệp văn bản",
}


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A line of the catalogue; texts are Vietnamese, `items` are the labels of the columns."""

    dataset: str
    name: str
    purpose: str
    agency: str
    agency_code: str
    owner: str
    contact: str
    subject: str
    classification: str
    has_personal_data: bool
    legal_basis: tuple[str, ...]
    update_frequency: str
    sharing_method: str
    authoritative_for: tuple[str, ...]
    items: tuple[str, ...]


def catalogue(contracts: Iterable[Contract], on: date | None = None) -> list[CatalogueRow]:
    """One row per contract, by dataset. `on` leaves out legal bases not in force that day; default: all declared."""
    return [_row(contract, on) for contract in sorted(contracts, key=lambda contract: contract.id)]


def _row(contract: Contract, on: date | None) -> CatalogueRow:
    in_force = [
        basis.instrument
        for basis in contract.legal_basis
        if on is None or (basis.valid_from <= on and (basis.valid_to is None or on <= basis.valid_to))
    ]
    return CatalogueRow(
        dataset=contract.id,
        name=contract.title,
        purpose=contract.description,
        agency=contract.agency_name,
        agency_code=contract.agency_code,
        owner=contract.owner_name,
        contact=contract.owner_contact,
        subject=contract.subject,
        classification=SHARING[contract.classification],
        has_personal_data=contract.is_personal,
        legal_basis=tuple(in_force),
        update_frequency=_every(contract.frequency),
        sharing_method=METHODS.get(contract.source.format, f"tệp {contract.source.format.upper()}"),
        authoritative_for=contract.authoritative_for,
        items=tuple(column.label_vi for column in contract.columns),
    )


def _every(interval: timedelta) -> str:
    """`mỗi 1 ngày`, `mỗi 12 giờ`, `mỗi 5 phút`, `mỗi 1 năm`."""
    minutes = interval // timedelta(minutes=1)
    for unit, size in (("năm", 365 * 1440), ("ngày", 1440), ("giờ", 60), ("phút", 1)):
        if minutes >= size and minutes % size == 0:
            return f"mỗi {minutes // size} {unit}"
    return f"mỗi {minutes} phút"
