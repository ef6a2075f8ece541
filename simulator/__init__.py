"""The province in a box: a whole province that exists nowhere, its agencies' systems, the national systems around it.

Purpose: give the demonstration, the tests and the benchmarks real systems to talk to, filled from one seeded truth, so
that what arrives can be compared with what is true; and national systems that take in what the province owes them, and
remember.
Belongs here: the truth (`table`, `province`, on `chance`, `scale`, `geography`, `names`, `identifiers`), what agencies
make of it (`views`), the servers in which they hold it (`systems`), the national systems (`national`, `ministry`, told
their lists by `nation`), the nights that the warehouse is tested by (`story`), the box that starts them all (`run`) and
its commands (`control`, `truth`, `demo`). Imports run downwards, from the commands to `chance`; the national systems
import nothing of the province.
Stays out: everything about how the warehouse takes the data in. Simulator and warehouse import nothing from each other.
"""
