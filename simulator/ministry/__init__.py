"""The ministry's health system: the national system at the far end to which the province owes its facility licences.

Purpose: one of the national systems, on their common base (`simulator.national`), which keeps its record and carries
out its faults.
Belongs here: its address (`server`), the five services and their refusals (`services`), its licences in the record
(`record`), which faults it has (`faults`), running it as a process of its own (`command`).
Stays out: what the province's licences are (`province`), who sends them.

    with Ministry(home, facilities={"24001"}) as ministry:
        ministry.base, ministry.key, ministry.secret
        ministry.record.effects()          # every insert, update and delete it made, in order
        ministry.tamper(remove=["00001/BN-GPHĐ"])
"""

from simulator.ministry.faults import Fault, MinistryFaults
from simulator.ministry.record import Effect, Record, Refusal, Request
from simulator.ministry.server import Ministry

__all__ = ["Effect", "Fault", "Ministry", "MinistryFaults", "Record", "Refusal", "Request"]
