"""Contracts: what each agency promises about each dataset.

Purpose: the one place from which landing, dbt sources, grants, catalogue and metadata learn what a dataset is.
Belongs here: the typed model, reading and validation of ODCS v3 files, the catalogue made of them.
Stays out: any database, any source, Dagster.
"""

from orchestration.contracts.catalogue import CatalogueRow, catalogue
from orchestration.contracts.check import check
from orchestration.contracts.load import load, load_all, load_folder
from orchestration.contracts.model import Column, Contract, ContractErrors, LegalBasis, Problem, Source
from orchestration.settings import assets_root

__all__ = [
    "CatalogueRow",
    "Column",
    "Contract",
    "ContractErrors",
    "LegalBasis",
    "Problem",
    "Source",
    "assets_root",
    "catalogue",
    "check",
    "load",
    "load_all",
    "load_folder",
]
