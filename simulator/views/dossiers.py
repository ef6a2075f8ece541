"""Columns about dossiers that several systems have: who applies, what for, where it is dealt with.

Belongs here: computed columns over the tables `dossier` and `dossier_event`. Stays out: the views (`public_services`,
`communes`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.province.procedures_catalogue import PROCEDURES
from simulator.table import joined, padded, words
from simulator.views.view import Context

Values = Callable[[Any, Context], Any]
_PERSON, _FIRM, _AGENCY = 1, 2, 3
_OF_PERSON = {"name": "names", "number": "personal_ids", "phone": "phones"}


def applicant(what: str) -> Values:
    """`name`, `number`, `phone` or `address` of the applicant: a person's, an enterprise's, or an agency's (no number)."""

    def values(truth: Any, context: Context) -> Any:
        kinds = truth.column("applicant_type").to_numpy()
        found: list[Any] = [pa.array([], pa.string())]
        place, known = np.zeros(len(kinds), np.int64), 0
        for kind, role in (
            (_PERSON, "applicant_person"),
            (_FIRM, "applicant_enterprise"),
            (_AGENCY, "applicant_agency"),
        ):
            at = np.flatnonzero(kinds == kind)
            ids = pc.drop_null(truth.column(role).combine_chunks().take(pa.array(at))).to_numpy()
            place[at] = known + np.arange(len(at))
            known += len(at)
            found.append(_plain(_about(what, kind, ids, context)))
        return pa.concat_arrays(found).take(pa.array(place))

    return values


def _about(what: str, kind: int, ids: Any, context: Context) -> Any:
    province = context.province
    if kind == _PERSON:
        if what == "address":
            return province.people.addresses(ids, context.seen)
        return getattr(province.people, _OF_PERSON[what])(ids)
    if kind == _FIRM:
        if what == "phone":
            return joined("0222.0", padded(ids % 1_000_000, 6))
        some, each = np.unique(ids, return_inverse=True)
        column = {"name": "name_vi", "number": "enterprise_code", "address": "address"}[what]
        return province.table("enterprise").rows(some, context.seen).column(column).take(pa.array(each))
    return words(province.table("agency").names, ids, np.full(len(ids), what == "name"))


def _plain(texts: Any) -> Any:
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def procedure(what: str) -> Values:
    """`name_vi`, `field_code` or `field_name` of the procedure."""

    def values(truth: Any, context: Context) -> Any:
        table = context.province.table("procedure")
        every = table.rows(np.arange(PROCEDURES), context.seen).column(what)
        return _plain(every.take(truth.column("procedure")))

    return values


def local_procedure(truth: Any, context: Context) -> Any:
    """The code under which the holding system has the procedure."""
    return words(context.province.table("procedure_local").codes, truth.column("procedure_local").to_numpy())


def sent_procedure(truth: Any, context: Context) -> Any:
    """What is sent: the national code, or the local one where the system's mapping table has none."""
    local = context.province.table("procedure_local")
    unmapped = local.unmapped[truth.column("procedure_local").to_numpy()]
    return pc.if_else(
        pa.array(unmapped), local_procedure(truth, context), truth.column("procedure_code").combine_chunks()
    )


def agency_name(truth: Any, context: Context) -> Any:
    """Name of the agency that received it."""
    return words(context.province.table("agency").names, truth.column("agency").to_numpy())


def email(truth: Any, context: Context) -> Any:
    """An address at a domain that can never exist, for those who applied online."""
    online = truth.column("channel").to_numpy() == 2
    return pc.if_else(
        pa.array(online),
        joined("hs", padded(truth.column("id").to_numpy(), 7), "@thu.example"),
        pa.scalar(None, pa.string()),
    )


def national_return(truth: Any, context: Context) -> Any:
    """How the result is handed over, as the national portal says it: 0 directly or by post, 1 online."""
    return pa.array((truth.column("return_form").to_numpy() == 2).astype(np.int64))


def kind_of_id(truth: Any, context: Context) -> Any:
    """Kind of the applicant's number: 1 personal identifier, 2 enterprise code; null of agencies."""
    kind = truth.column("applicant_type").to_numpy()
    return pa.array(kind, mask=kind == _AGENCY)


def link(truth: Any, context: Context) -> Any:
    """Where a file can be had: on the province's store, or on a server that only the office's own network reaches."""
    dossier = truth.column("dossier").to_numpy()
    host = joined("http://10.", padded(24 + dossier % 3, 0), ".", padded(dossier // 7 % 250, 0), ".12:8080/tep/")
    inside = pc.equal(truth.column("store").combine_chunks(), "OFFICE")
    where = pc.if_else(inside, host, pa.scalar("https://tep.motcua.bacninh.example/tai/"))
    return joined(where, truth.column("file_code").combine_chunks())
