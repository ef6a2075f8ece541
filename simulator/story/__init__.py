"""The nights by which the warehouse is tested: the four agencies whose data it takes in today, and a plot.

Belongs here: the course of the nights and what the warehouse should hold after each (`nights`, on `datasets` and `defects`),
the agencies' far ends (`home_affairs`, `health`, `education`, `registry` with its `faults`), the command `expected`
(`command`). Stays out: the truth itself (`province`), every other system (`systems`), the ministry (`ministry`).
"""
