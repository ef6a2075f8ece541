"""Health, social insurance and social protection: the tables of the domain.

Belongs here: which tables there are. Stays out: the tables (`health_…`), what agencies make of them (`views`).
"""

from __future__ import annotations

from simulator.province import health_events as events
from simulator.province import health_facilities as facilities
from simulator.province import health_insurance as insurance
from simulator.province import health_prevention as prevention
from simulator.province import health_registers as registers
from simulator.province import health_visits as visits
from simulator.table import Table

TABLES: tuple[type[Table], ...] = (
    facilities.Facility,
    facilities.FacilityLicence,
    facilities.ElectronicRecord,
    insurance.InsuranceCoverage,
    visits.Visit,
    prevention.Immunisation,
    prevention.NotifiableDisease,
    events.BirthNotice,
    events.DeathNotice,
    registers.Practitioner,
    registers.DrugOutlet,
    registers.Beneficiary,
    registers.HealthYear,
)
