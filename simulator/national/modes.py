"""Every way of failing that is known from practice, and where it is simulated.

Purpose: a table that a test can hold against the code, so that no known failure is left out.
Belongs here: the modes as data. Stays out: carrying them out (`service`, the systems; for those of the agencies
`simulator.views` and `simulator.systems`).
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.national.faults import Kind


@dataclass(frozen=True)
class At:
    """A place in a national system: a kind of fault in its plan, or a code with which it refuses (of its `MESSAGES`)."""

    system: str
    fault: Kind | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class Mode:
    """One failure mode. `upstream`: where national systems do it; `agency`: the short names under which the systems of
    the province's own agencies do it.
    """

    name: str
    says: str
    upstream: tuple[At, ...] = ()
    agency: tuple[str, ...] = ()


FAULT_MODES: tuple[Mode, ...] = (
    Mode("token_expires", "The token or session expires in the middle of a batch",
         (At("dvcqg", "expired_midway"), At("dvcqg", "expired"), At("ndxp", "expired"), At("population", "expired_midway"),
          At("education", "expired_midway"), At("environment", "expired_midway"), At("reporting", "expired_midway"),
          At("open_data", "expired"))),
    Mode("unknown_outcome", "429, 502, timeouts: nobody knows whether it was applied",
         (At("dvcqg", "too_many"), At("dvcqg", "error502"), At("dvcqg", "hang"), At("dvcqg", "late"), At("dvcqg", "late504"),
          At("dvcqg", "drop"), At("dvcqg", "drop_after"), At("ndxp", "error502"), At("ndxp", "hang"),
          At("education", "late504"), At("environment", "drop_after"), At("reporting", "late"), At("open_data", "late504"))),
    Mode("is_updating", "isUpdating is wrong: a duplicate, or not found",
         (At("dvcqg", refusal="11"), At("dvcqg", refusal="12"), At("dvcqg", "contrary"))),
    Mode("partial_batch", "A part of a batch is accepted",
         (At("dvcqg", "half"), At("dvcqg", "half_silent"), At("population", "half"), At("education", "half"),
          At("environment", "half_silent"), At("reporting", "half"))),
    Mode("error_code", "HTTP says success, error_code does not",
         (At("dvcqg", "error_code"), At("dvcqg", "error_code_after"), At("dvcqg", "wrong_code"), At("ndxp", "error_code"),
          At("education", "error_code_after"), At("environment", "error_code"), At("reporting", "wrong_code"),
          At("open_data", "error_code"))),
    Mode("errors_lost", "Errors are only written to a text file, and lost", agency=("lost_errors",)),
    Mode("status_coarsened", "The local status is coarsened before sending: 5, 6 and 8 become 9", agency=("coarse_status",)),
    Mode("internal_links", "Links to files lead to internal addresses", (At("dvcqg", refusal="28"),), ("internal_links",)),
    Mode("procedure_unmapped", "The local code of a procedure has no national one", (At("dvcqg", refusal="23"),), ("local_procedure",)),
    Mode("totals_differ", "Totals differ between the portal and the reporting system",
         (At("dvcqg", "miscount"), At("reporting", refusal="40"), At("reporting", refusal="45"), At("reporting", "miscount"))),
    Mode("old_commune", "A commune's code of the old epoch is refused",
         (At("dvcqg", refusal="26"), At("dvcqg", refusal="27"), At("dvcqg", "old_list"), At("education", refusal="26"),
          At("education", "old_list"), At("reporting", refusal="27"), At("reporting", "old_list")), ("old_commune",)),
    Mode("out_of_order", "Updates of a status arrive out of order",
         (At("dvcqg", refusal="29"), At("dvcqg", refusal="30"), At("dvcqg", "lax_order"), At("education", refusal="33"),
          At("education", refusal="34"), At("education", "lax_order"), At("reporting", refusal="42"), At("reporting", "lax_order")), ("out_of_order",)),
    Mode("files_resent", "Files of measurements are sent again",
         (At("environment", "drop_after"), At("environment", "late504"), At("environment", refusal="32")), ("resent_files",)),
    Mode("template_version", "The template changes its version",
         (At("education", refusal="50"), At("education", refusal="51")), ("template_version",)),
    Mode("closed_period", "A closed period is corrected late",
         (At("education", refusal="40"), At("reporting", refusal="44")), ("late_correction",)),
    Mode("rekeyed", "The source gives new keys after the merger; old ones meet in one number", agency=("rekeyed",)),
    Mode("clock", "A clock is minutes off, or in another time zone",
         (At("dvcqg", "skew"), At("dvcqg", "utc"), At("dvcqg", refusal="31"), At("environment", "skew"),
          At("environment", refusal="31"), At("reporting", "utc"), At("education", refusal="31")), ("clock",)),
    Mode("nested", "XML in base64 in XML, in a zip", agency=("nested_xml",)),
    Mode("delivered_twice", "The same is delivered through LGSP and as a workbook by hand", agency=("lgsp_and_excel",)),
)  # fmt: skip
#: What the systems of the agencies have to show.
AGENCY_MODES: tuple[str, ...] = tuple(name for mode in FAULT_MODES for name in mode.agency)
