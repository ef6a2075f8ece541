"""What must be true before anyone may read a warehouse table.

Purpose: the suites of each subject, as YAML in Great Expectations' own vocabulary, and the gate that runs them.
Belongs here: `<subject>/<table>.yaml`, edited by data stewards without Python; `gate.py`, which runs them, with its
helpers `suites.py` (reading), `failing.py` (vocabulary), `plan.py` (what to check), `verdict.py` (what is written).
Stays out: rules about one source's rows, which belong to its contract.
"""
