"""The economy of the province: firms, households that trade, cooperatives, zones, projects, output.

Belongs here: which tables there are. Stays out: the tables themselves (`economy_*`), public money (`budget`).
"""

from __future__ import annotations

from simulator.province.economy_enterprise import Enterprise, industry_version
from simulator.province.economy_household import Cooperative, HouseholdBusiness
from simulator.province.economy_monthly import EnergyUse, IipMonthly, TradeMonthly
from simulator.province.economy_project import InvestmentAmendment, InvestmentProject
from simulator.province.economy_register import EnterpriseChange, EnterpriseIndustry
from simulator.province.economy_tax import TaxStatus
from simulator.province.economy_zones import CraftVillage, IndustrialCluster, IndustrialZone
from simulator.table import Table

__all__ = ["TABLES", "industry_version"]

TABLES: tuple[type[Table], ...] = (
    Enterprise,
    EnterpriseIndustry,
    EnterpriseChange,
    HouseholdBusiness,
    Cooperative,
    TaxStatus,
    IndustrialZone,
    IndustrialCluster,
    CraftVillage,
    InvestmentProject,
    InvestmentAmendment,
    IipMonthly,
    TradeMonthly,
    EnergyUse,
)
