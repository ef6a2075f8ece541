"""How the agencies' systems are reached, as the environment variables that declarations name.

Belongs here: addresses of `Systems.env` -> `KHO_SOURCE_…`. Stays out: the systems, who reads the variables.

| system | variables |
|---|---|
| postgres, mariadb | `KHO_SOURCE_<AGENCY>_POSTGRES`, `…_MARIADB`: URL |
| folder, commune_folder | `KHO_SOURCE_<AGENCY>_FOLDER`, `KHO_SOURCE_COMMUNES_FOLDER`: path |
| sftp, stations | `KHO_SOURCE_<AGENCY>_SFTP`, `KHO_SOURCE_ENVIRONMENT_STATIONS`: URL; `…_HOST_KEY`: line of known_hosts |
| lgsp | `KHO_SOURCE_LGSP`, `…_KEY`, `…_SECRET`: one gateway for all agencies |
| xroad | `KHO_SOURCE_<AGENCY>_XROAD`: URL |
| commune_rest | `KHO_SOURCE_COMMUNES_REST`; `…_TOKEN`: key and secret with a colon between |
| xml130 | `KHO_SOURCE_SOCIAL_INSURANCE_XML130`, `…_USER`, `…_PASSWORD` |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote


def variables(env: Mapping[str, Any]) -> dict[str, str]:
    """Variables of the systems that `env` (of `Systems`) has; passwords included, so never to be printed."""
    found: dict[str, str] = {}
    for agency, at in env.get("postgres", {}).items():
        found[f"{_name(agency)}_POSTGRES"] = at["url"]
    for agency, at in env.get("mariadb", {}).items():
        found[f"{_name(agency)}_MARIADB"] = f"mysql://{_login(at)}@{at['host']}:{at['port']}/{at['databases'][0]}"
    for agency, at in env.get("folder", {}).items():
        found[f"{_name(agency)}_FOLDER"] = at["folder"]
    communes = env.get("commune_folder", {})
    if communes:
        found[f"{_name('communes')}_FOLDER"] = str(Path(next(iter(communes.values()))["folder"]).parent)
    for agency, at in env.get("sftp", {}).items():
        found |= _sftp(f"{_name(agency)}_SFTP", at)
    if "stations" in env:
        found |= _sftp(f"{_name('environment')}_STATIONS", env["stations"])
    for agency, at in env.get("xroad", {}).items():
        found[f"{_name(agency)}_XROAD"] = at["url"]
    if "lgsp" in env:
        name, at = "KHO_SOURCE_LGSP", env["lgsp"]
        found |= {name: at["url"], f"{name}_KEY": at["key"], f"{name}_SECRET": at["secret"]}
    if "commune_rest" in env:
        name, at = f"{_name('communes')}_REST", env["commune_rest"]
        found |= {name: at["url"], f"{name}_TOKEN": f"{at['key']}:{at['secret']}"}
    if "xml130" in env:
        name, at = f"{_name('social_insurance')}_XML130", env["xml130"]
        found |= {name: at["url"], f"{name}_USER": at["user"], f"{name}_PASSWORD": at["password"]}
    return found


def _name(agency: str) -> str:
    return f"KHO_SOURCE_{agency.upper()}"


def _login(at: Mapping[str, Any]) -> str:
    return f"{quote(at['user'], safe='')}:{quote(at['password'], safe='')}"


def _sftp(name: str, at: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"sftp://{_login(at)}@{at['host']}:{at['port']}/", f"{name}_HOST_KEY": at["known_hosts"]}
