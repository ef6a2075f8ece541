"""Environment: the tables of the domain.

Belongs here: which tables there are. Stays out: the tables (`environment_…`), what agencies make of them (`views`).
"""

from __future__ import annotations

from simulator.province import environment_hour as hours
from simulator.province import environment_measurement as measurement
from simulator.province import environment_register as register
from simulator.province import environment_stations as stations
from simulator.table import Table

TABLES: tuple[type[Table], ...] = (
    stations.Station,
    stations.StationParameter,
    measurement.Measurement,
    hours.MeasurementHour,
    hours.Exceedance,
    measurement.Outage,
    hours.AqiHour,
    register.EnvLicence,
    register.WasteSource,
)
