"""The ministry's health system: the national system at the far end to which the province owes its facility licences.

Purpose: an independent receiver with a memory of its own. What it was told, what it applied and what it answered can be
read from its record, so that a message lost, doubled or sent out of order by the sender is seen there.
Belongs here: the wire (`server`), the five services and their refusals (`services`), the record (`record`), what goes
wrong when (`faults`), running it as a process of its own (`command`).
Stays out: what the province's licences are (`truth`), who sends them.

    with Ministry(home, facilities={"24001"}) as ministry:
        ministry.base, ministry.key, ministry.secret
        ministry.record.effects()          # every insert, update and delete it made, in order
        ministry.tamper(remove=["00001/BN-GPHĐ"])
"""

from simulator.ministry.faults import Fault, MinistryFaults
from simulator.ministry.record import Effect, Record, Refusal, Request
from simulator.ministry.server import Ministry

__all__ = ["Effect", "Fault", "Ministry", "MinistryFaults", "Record", "Refusal", "Request"]
