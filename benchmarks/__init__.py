"""Benchmarks: Kho against the peers and against the floor, on the machine at hand.

Belongs here: data made fast, contenders that take turns, one line a result (`<name> ratio=… goal=…`).
Stays out: tests (a benchmark proves nothing right, though it checks counts) and anything that production imports.
"""
