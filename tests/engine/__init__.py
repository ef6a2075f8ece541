"""Tests of the engine: landing, delta, release, ledger, roles, under load and under fire.

Here belong the tests and what they share (a throwaway cluster, sample contracts, oracles that share no code with the engine).
Out of here stay sources, suites and dbt models: each has tests of its own.
"""
