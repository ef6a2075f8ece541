"""Open data: what may be published, its immutable versions, and the catalogue that tells of them.

Purpose: put released tables that law and contracts call open where everyone can take them. Belongs here: declarations, the rules,
files, catalogue, checks. Stays out: serving the folder (any web server does), Dagster (`components.open_data`).
"""

from orchestration.portal.catalogue import write_catalogue
from orchestration.portal.declaration import OpenDataErrors, load_all, parse_all
from orchestration.portal.model import Fault, File, OpenColumn, OpenDataset, PortalState, Published
from orchestration.portal.publish import check, publish
from orchestration.portal.standing import declared, states, unreadable, waiting_work
from orchestration.portal.verify import verify

__all__ = [
    "Fault",
    "File",
    "OpenColumn",
    "OpenDataErrors",
    "OpenDataset",
    "PortalState",
    "Published",
    "check",
    "declared",
    "load_all",
    "parse_all",
    "publish",
    "states",
    "unreadable",
    "verify",
    "waiting_work",
    "write_catalogue",
]
