"""The national open data portal (data.gov.vn): a catalogue with the action API of CKAN.

Belongs here: its addresses, reading a request as CKAN reads it, the envelope of an answer, tokens, files uploaded.
Stays out: the actions (`open_data_actions`), HTTP and what a fault does (`service`).

    GET, POST {base}/api/3/action/<action>     Authorization: <token>; also /api/action/<action>
    GET       {base}/dataset/<id>/resource/<id>/download/<file>

    {"help": …, "success": true, "result": …}                                        200
    {"help": …, "success": false, "error": {"__type": "Validation Error", "name": ["…"]}}        409
    {"help": …, "success": false, "error": {"__type": "Not Found Error", "message": "…"}}        404
    {"help": …, "success": false, "error": {"__type": "Authorization Error", "message": "…"}}    403
    "Bad request - …"                          400: no such action, GET for one that writes, no JSON

The token is the secret of the system's ready file, its user the key. An action takes JSON, a form, a form with a file
(`upload`), or, when it only reads, parameters of the address. Who has no token or a wrong one is anybody, who may read.
A token here does not die of use; the fault "expired" strikes one request. "contrary": who is there is not found, a free
name is in use. Codes and nesting are CKAN 2.10's; whether the real portal is one is not known for certain.
"""

from __future__ import annotations

import csv
import json
import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from simulator.gateway import Answer, json_answer, not_found
from simulator.national import multipart
from simulator.national.call import Call, parse
from simulator.national.faults import ANSWER_KINDS, FaultPlan, Kind
from simulator.national.open_data_actions import ACTIONS, READS, UPLOADS, WRITES, Actions, File
from simulator.national.open_data_rules import MESSAGES, say
from simulator.national.open_data_search import alike
from simulator.national.open_data_store import BadSearch, Denied, Invalid, Missing
from simulator.national.record import Record, Writing
from simulator.national.service import Service

DOWNLOAD, UNKNOWN = "download", "unknown"
MOST_BYTES = 10 * 1024 * 1024  # of a file; CKAN's default
_ACTION = re.compile(r"/api/(?:[123]/)?action/([^/]*)")
_FILE = re.compile(r"/dataset/[^/]+/resource/([0-9a-f-]{36})/download/([^/]+)")
_KINDS = tuple(kind for kind in ANSWER_KINDS if kind != "wrong_code")
_FOUND = ("package_show", "resource_show", "organization_show", "package_update", "package_patch", "resource_update")
_NAMED = ("package_create", "organization_create")

__all__ = ["MESSAGES", "SYSTEM", "OpenData", "OpenDataFaults"]


def _kinds(action: str) -> tuple[Kind, ...]:
    kinds: tuple[Kind, ...] = (*_KINDS, "contrary") if action in (*_FOUND, *_NAMED) else _KINDS
    if action in WRITES:
        return (*kinds, "skew")
    return (*kinds, "miscount") if action == "package_search" else kinds


class OpenDataFaults(FaultPlan):
    """A plan for every action, and for the download of a file."""

    strikes = {action: _kinds(action) for action in ACTIONS} | {
        DOWNLOAD: ("drop", "error500", "error502", "hang", "restart")
    }


class OpenData(Service):
    """The portal. Kinds of the record: package, organization, group, by id; package_name … lead from a name to its id.

    `establish(…)` gives it organizations and groups that are not the sender's.
    """

    name, api, plan_type = "open_data", "/api/3", OpenDataFaults

    def load(self, folder: Path) -> None:
        """organizations.csv and groups.csv (name, title), where there: of others."""
        self.home.mkdir(parents=True, exist_ok=True)
        for kind in ("organization", "group"):
            file = folder / f"{kind}s.csv"
            if file.exists():
                with open(file, encoding="utf-8-sig", newline="") as text:
                    (self.home / f"{kind}s.json").write_text(json.dumps(list(csv.DictReader(text))), encoding="utf-8")

    def start(self) -> None:
        """Open the record and serve; what was loaded is established, unless it is there already."""
        super().start()
        for kind in ("organization", "group"):
            file = self.home / f"{kind}s.json"
            if file.exists():
                known = {each["name"] for each in self.record.objects(kind).values()}
                rows = (row for row in json.loads(file.read_text(encoding="utf-8")) if row["name"] not in known)
                establish(self.record, kind, {row["name"]: row["title"] for row in rows})

    def route(self, call: Call) -> str | None:
        """The action, whether or not it exists, or a file that was uploaded."""
        asked = _ACTION.fullmatch(call.path)
        if asked and call.method in ("GET", "POST"):
            return asked[1] if asked[1] in ACTIONS else UNKNOWN
        return DOWNLOAD if _FILE.fullmatch(call.path) and call.method == "GET" else None

    def admit(self, call: Call) -> Answer | None:
        """Anybody: what one may do is decided by the action."""
        return None

    def expire(self, fault: str) -> Answer:
        """The token is not known."""
        error = {"__type": "Authorization Error", "message": say("denied")}
        return json_answer(403, {"help": self._help(""), "success": False, "error": error}, fault=fault)

    def malformed(self, call: Call) -> Answer | None:
        """CKAN's Bad request; otherwise the request's parameters and file become its content."""
        if call.service == DOWNLOAD:
            return None
        try:
            if call.service == UNKNOWN:
                raise ValueError(say("action", call.path.rpartition("/")[2]))
            params, file = _parameters(call)
        except ValueError as error:
            return json_answer(400, f"{say('bad_request')} - {error}")
        call.content = {"params": params, "file": file}
        return None

    def poisoned(self, call: Call) -> bool:
        """True when a parameter is a key of the plan's `poison`."""
        values = call.content["params"].values() if call.content else ()
        return any(isinstance(value, str) and value in self.plan.poison for value in values)

    def kept(self, call: Call) -> str | None:
        """The parameters, and of a file its name."""
        if not isinstance(call.content, dict) or "params" not in call.content:
            return None
        file = call.content["file"]
        return json.dumps(call.content["params"] | ({"upload": file.file} if file else {}), ensure_ascii=False)

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the portal did not."""
        error = {"__type": "Internal Server Error", "message": say("99")}
        return {"help": self._help(call.service), "success": False, "error": error}

    def miscount(self, content: dict[str, Any]) -> None:
        """One more found than there is."""
        content["result"]["count"] += 1

    def prepare(self, call: Call) -> File | None:
        """Keep a file that came, under a name of its own: whether it belongs to anything is decided later."""
        part = call.content["file"] if call.service in UPLOADS else None
        if part is None or len(part.content) > MOST_BYTES or not self._user(call):
            return None
        name = re.sub(r"[^a-z0-9._-]+", "-", alike(part.file or "")).strip("-.") or "upload"
        folder = self.home / "files"
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / str(uuid.uuid4())
        kept.write_bytes(part.content)
        call.content["kept"] = kept.name
        return File(name, len(part.content), part.type)

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Do an action, or hand out a file."""
        if call.service == DOWNLOAD:
            return self._download(call, writing)
        told: dict[str, Any] = {"help": self._help(call.service)}
        try:
            result = self._act(call, writing)
        except Denied as error:
            refusal = 403, {"__type": "Authorization Error", "message": f"{say('denied')}: {error}"}
        except Missing as error:
            refusal = 404, {"__type": "Not Found Error", "message": f"{say('not_found')}: {error}"}
        except Invalid as error:
            refusal = 409, error.errors | {"__type": "Validation Error"}
        except BadSearch as error:
            refusal = 400 if error.kind == "Search Query Error" else 409, {"__type": error.kind, "message": str(error)}
        else:
            return told | {"success": True, "result": result}
        status, content = refusal
        code = str(content["__type"])
        if call.service in WRITES:
            params = call.content["params"]
            writing.refuse(call.service, str(params.get("id") or params.get("name") or ""), "", code)
        return json_answer(status, told | {"success": False, "error": content}, fault=call.fault)

    def _act(self, call: Call, writing: Writing) -> Any:
        params = call.content["params"]
        actions = Actions(writing, self._user(call), call.now, self.base)
        if call.fault == "contrary" and call.service in _NAMED:
            raise Invalid({"name": [say("name_used" if call.service == "package_create" else "group_used")]})
        if call.fault == "contrary":
            raise Missing(call.service.partition("_")[0])
        act = getattr(actions, call.service)
        if call.service not in UPLOADS:
            return act(params)
        if call.content["file"] and len(call.content["file"].content) > MOST_BYTES:
            raise Invalid({"upload": [say("too_large")]})
        result = act(params, call.prepared)
        if call.prepared is not None:
            file = {"file": call.content["kept"], "name": call.prepared.name, "type": call.prepared.type}
            writing.store("upload", result["id"], file, None)
        return result

    def _download(self, call: Call, writing: Writing) -> Answer:
        asked = _FILE.fullmatch(call.path)
        found = writing.find("upload", asked[1]) if asked else None
        try:
            Actions(writing, self._user(call), call.now, self.base).resource_show({"id": asked[1] if asked else ""})
        except (Denied, Missing):
            return not_found()
        if found is None or asked is None or unquote(asked[2]) != found[0]["name"]:
            return not_found()
        return Answer(200, (self.home / "files" / found[0]["file"]).read_bytes(), found[0]["type"])

    def _user(self, call: Call) -> str:
        return self.key if call.headers.get("Authorization", "") == self.secret else ""

    def _help(self, action: str) -> str:
        return f"{self.base}/api/3/action/help_show?name={action}"


def establish(record: Record, kind: str, titles: dict[str, str]) -> None:
    """Establish organizations or groups (`kind`) behind everybody's back, of which nobody is a member: name -> title."""
    made: dict[str, dict[str, Any]] = {}
    for name, title in titles.items():
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{name}"))
        made[key] = {
            "id": key, "name": name, "title": title, "created": "2020-01-01T00:00:00.000000", "description": "", "image_url": "",
            "extras": [], "state": "active", "type": kind, "members": [],
        }  # fmt: skip
    record.alter(kind, add=made)
    record.alter(f"{kind}_name", add={each["name"]: {"id": key} for key, each in made.items()})


def _parameters(call: Call) -> tuple[dict[str, Any], multipart.Part | None]:
    """The parameters of a request, and the file that came with it. Raises ValueError with what is wrong."""
    if call.method == "GET":
        if call.service not in READS:
            raise ValueError(say("post"))
        return _mixed(call.query), None
    type_ = call.headers.get_content_type() if "Content-Type" in call.headers else ""
    if type_ == multipart.TYPE:
        form = multipart.parts(call.headers, call.body)
        if form is None:
            raise ValueError(say("json"))
        values: dict[str, list[str]] = {}
        for part in form:
            if part.file is None:
                values.setdefault(part.name, []).append(part.text)
        return _mixed(values), next((part for part in form if part.file is not None and part.name == "upload"), None)
    if type_ == "application/x-www-form-urlencoded" and call.body:
        text = call.body.decode(errors="replace")
        pairs = parse_qsl(text, keep_blank_values=True)
        if len(pairs) != 1 or pairs[0][1] not in ("", "1"):
            return _mixed(parse_qs(text, keep_blank_values=True)), None
        given = parse(pairs[0][0].encode())  # what curl -d sends, when nobody tells it that it is JSON
    elif call.body:
        given = parse(call.body)
    else:
        given = _mixed(call.query) if call.service in READS else {}
    if given is None:
        raise ValueError(say("json"))
    if not isinstance(given, dict):
        raise ValueError(say("object"))
    return given, None


def _mixed(values: dict[str, list[str]]) -> dict[str, Any]:
    return {name: given[0] if len(given) == 1 else given for name, given in values.items()}


SYSTEM = OpenData
