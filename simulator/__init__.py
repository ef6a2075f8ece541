"""The province in a box: agency and national systems that stand at the far end of the wire.

Purpose: give the demonstration, the tests and the benchmarks real systems to talk to (a folder of CSV files, a
PostgreSQL server, an Excel workbook, an HTTP service), filled from one seeded truth, so that what arrives can be
compared with what is true; and a national system that takes in what the province owes it, and remembers.
Belongs here: the truth (`truth`, `entities`, `enterprises`, `people`, `units`), each system's own view of it
(`home_affairs`, `health`, `education`, `registry`), the receiver (`ministry`) and the box that starts them all (`run`).
Stays out: everything about how the warehouse takes the data in. Simulator and warehouse import nothing from each other.
"""
