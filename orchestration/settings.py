"""Where Kho lives and what it is told by its environment.

Belongs here: every environment variable of the platform, read in one place, with its default.
Stays out: addresses and secrets of agency systems (contracts name those variables themselves).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

TIMEZONE = ZoneInfo("Asia/Ho_Chi_Minh")
REPOSITORY = Path(__file__).resolve().parent.parent


def home() -> Path:
    """KHO_HOME: the folder of everything that is not in the warehouse (default `.kho` under the current folder)."""
    return Path(os.environ.get("KHO_HOME") or ".kho").resolve()


def assets_root() -> Path:
    """KHO_ASSETS: the folder of the declarations (default `assets` beside the package `orchestration`)."""
    configured = os.environ.get("KHO_ASSETS")
    return Path(configured) if configured else REPOSITORY / "assets"


def warehouse_url() -> str | None:
    """WAREHOUSE_URL: an external PostgreSQL 16 or newer; None means the embedded server under KHO_HOME."""
    return os.environ.get("WAREHOUSE_URL") or None


def synthetic() -> bool:
    """KHO_SYNTHETIC=1: this warehouse takes in a simulated province, whose identifiers are assigned to nobody."""
    return os.environ.get("KHO_SYNTHETIC") == "1"


def role_password(role: str) -> str | None:
    """KHO_PASSWORD_<ROLE>: the password of a stage's role on an external warehouse."""
    return os.environ.get(f"KHO_PASSWORD_{role.upper()}") or None


def kept_folder() -> Path:
    """Folder of the delivered bytes, kept as long as each contract's retention says."""
    return home() / "deliveries"


def anchors_folder() -> Path:
    """Folder of the ledger heads exported each night. Copy it to a machine that Kho's administrators cannot write to."""
    return home() / "anchors"


def reports_folder() -> Path:
    """Folder of the night's reports."""
    return home() / "reports"


def portal_folder() -> Path:
    """Folder of the open data, laid out as a web server is to show it."""
    return home() / "portal"


def portal_url(env: Mapping[str, str] | None = None) -> str:
    """KHO_PORTAL_URL: where the portal's folder is shown; every identifier of the catalogue lies under it."""
    given = os.environ.get("KHO_PORTAL_URL") if env is None else env.get("KHO_PORTAL_URL")
    return (given or "https://data.bacninh.gov.vn").rstrip("/")


def keys_folder() -> Path:
    """Folder of the keys of personal deliveries, each wrapped by `kept_key` and removed when its delivery's retention ends."""
    return home() / "keys"


def ledger_key() -> bytes:
    """The key of the ledger's HMAC chain: KHO_LEDGER_KEY, or a file under KHO_HOME made on first use (mode 0600).

    It never enters the database. In production keep it with the secrets, not on the warehouse's machine.
    """
    key = _secret(os.environ.get("KHO_LEDGER_KEY"), "ledger.key", make=True)
    assert key is not None
    return key


def kept_key(*, make: bool) -> bytes | None:
    """The key that wraps the keys of personal deliveries: KHO_KEPT_KEY, or a file under KHO_HOME.

    With `make` the file is made on first use (mode 0600); without, None says that there is none. Lose it, and the kept
    bytes of every personal delivery are lost.
    """
    return _secret(os.environ.get("KHO_KEPT_KEY"), "kept.key", make=make)


def _secret(given: str | None, name: str, *, make: bool) -> bytes | None:
    """What the environment gives, or what the file of that name holds; forced to disk before it is first used."""
    if given:
        return given.encode()
    path = home() / "secrets" / name
    if not path.exists():
        if not make:
            return None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(staged, path)  # the first of two that start at once wins
        except FileExistsError:
            pass
        staged.unlink()
        for folder in (path.parent, path.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    return path.read_text().strip().encode()


def now() -> datetime:
    """The present, in the province's time zone."""
    return datetime.now(TIMEZONE)
