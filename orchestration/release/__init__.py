"""Release: builds, the frozen delta, the ledger, promotion, rollback.

Belongs here: what calls the database's `release` functions. Stays out: the functions themselves (`warehouse/sql`), the gate's rules.
"""

from orchestration.release.builds import Frozen, Promoted, begin, diff, fail, promote, rollback

__all__ = ["Frozen", "Promoted", "begin", "diff", "fail", "promote", "rollback"]
