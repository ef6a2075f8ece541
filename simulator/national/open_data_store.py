"""What a CKAN portal holds, seen by one request: finding, checking, storing and showing it, and who may do so.

Belongs here: names and ids, rights, the whole of a dataset as it is stored and as it is shown, what can go wrong.
Stays out: the actions (`open_data_actions`), rules of single fields (`open_data_rules`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulator.national.open_data_rules import LICENCES, Errors, Thing, boolean, dataset, natural, say, things
from simulator.national.record import Writing


class Denied(Exception):
    """Not allowed; its text says to whom."""


class Missing(Exception):
    """Not found; its text says what."""


class Invalid(Exception):
    """Wrong fields. `errors`: field -> list of texts, nested as CKAN nests them."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(errors)
        self.errors = errors


class BadSearch(Exception):
    """A search that cannot be carried out. `kind`: Search Query Error or Search Error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Store:
    """The portal as one request sees it. `user`: empty for anybody; `base`: the portal's address."""

    def __init__(self, writing: Writing, user: str, now: datetime, base: str) -> None:
        self.writing, self.user, self.base = writing, user, base
        self.now = now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

    # -- keeping and telling --------------------------------------------------------------------------------------------

    def _replace(self, before: Thing, given: Thing) -> Any:
        errors: Errors = {}
        if given.get("owner_org") and self._id_of("organization", str(given["owner_org"])) != before["owner_org"]:
            self._may_add_to(given["owner_org"])
        made = dataset({"name": before["name"]} | given, errors)
        kept = {name: before[name] for name in ("id", "metadata_created", "creator_user_id", "state")}
        if given.get("state") in ("active", "deleted"):
            kept["state"] = given["state"]
        return self._keep(made | kept, {"owner_org": before["owner_org"]} | given, errors, before)

    def _keep(self, made: Thing, given: Thing, errors: Errors, before: Thing | None) -> Any:
        """Check what concerns other things than the dataset itself, and store it."""
        owner = self._id_of("organization", str(given.get("owner_org") or ""))
        if owner is None:
            errors["owner_org"] = [say("missing")]
        if "name" not in errors and self._id_of("package", made["name"]) not in (None, made["id"]):
            errors["name"] = [say("name_used")]
        named = things(given, "groups", errors)
        groups = [self._group("group", {"id": each.get("id") or each.get("name")})["id"] for each in named]
        if errors:
            raise Invalid(errors)
        made |= {"owner_org": owner, "groups": groups}
        old = {each["id"] for each in before["resources"]} if before else set()
        for each in made["resources"]:
            each["id"] = each["id"] if each.get("id") in old else str(uuid.uuid4())
            each |= {"created": each["created"] or self.now, "metadata_modified": self.now}
        self._store(made, before)
        return self._told(self._package({"id": made["id"]}))

    def _store(self, made: Thing, before: Thing | None) -> None:
        """Store a dataset, and what leads to it by its name and by its resources."""
        made = made | {"metadata_modified": self.now}
        for position, each in enumerate(made["resources"]):
            each |= {"position": position, "package_id": made["id"], "state": "active"}
            self.writing.store("resource", each["id"], {"package_id": made["id"]}, None)
        if before and before["name"] != made["name"]:
            self.writing.store("package_name", before["name"], {"id": ""}, None)
        self._put("package", "update" if before else "insert", made)

    def _put(self, kind: str, operation: str, made: Thing) -> None:
        self.writing.put(kind, operation, made["id"], made, "")
        self.writing.store(f"{kind}_name", made["name"], {"id": made["id"]}, None)

    def _told(self, package: Thing) -> Thing:
        """A dataset as it is shown."""
        found = self.writing.find("organization", package["owner_org"])
        title, url, is_open = LICENCES.get(package["license_id"] or "", (package["license_id"], "", False))
        groups = [
            self._told_group(each[0], counted=False)
            for each in (self.writing.find("group", key) for key in package["groups"])
            if each
        ]
        shown = ("description", "display_name", "id", "image_display_url", "name", "title")
        organization = (
            "approval_status",
            "created",
            "description",
            "id",
            "image_url",
            "is_organization",
            "name",
            "state",
            "title",
            "type",
        )
        owner = self._told_group(found[0], counted=False) if found else dict.fromkeys(organization)
        told = package | {
            "license_title": title,
            "isopen": is_open,
            "organization": {name: owner[name] for name in organization},
        }
        told |= {"groups": [{name: each[name] for name in shown} for each in groups]}
        told |= {"license_url": url} if url else {}
        told |= {"num_resources": len(package["resources"]), "num_tags": len(package["tags"])}
        return told | {"relationships_as_object": [], "relationships_as_subject": []}

    def _told_group(self, group: Thing, *, counted: bool = True) -> Thing:
        """An organization or a group as it is shown. `counted`: with how many public datasets it has."""
        told = {name: value for name, value in group.items() if name != "members"}
        told |= {"approval_status": "approved", "display_name": group["title"] or group["name"]}
        told |= {"is_organization": group["type"] == "organization", "image_display_url": group["image_url"]}
        if counted:
            seen = (p for p in self._all("package") if p["state"] == "active" and not p["private"])
            told["package_count"] = sum(group["id"] in (p["owner_org"], *p["groups"]) for p in seen)
        return told | {"num_followers": 0, "tags": [], "groups": [], "users": []}

    # -- who and what ---------------------------------------------------------------------------------------------------

    def _package(self, given: Thing) -> Thing:
        if not given.get("id"):
            raise Invalid({"id": [say("missing")]})
        asked = str(given["id"])
        named = self.writing.find("package_name", asked)
        found = self.writing.find("package", named[0]["id"] if named else asked) or self.writing.find("package", asked)
        if found is None:
            raise Missing("Dataset")
        return found[0]

    def _editable(self, given: Thing, action: str) -> Thing:
        self._needs_user(action)
        found = self._package(given)
        if not self._may_edit(found):
            raise Denied(say("not_editor", self.user, found["id"]))
        return found

    def _may_edit(self, package: Thing) -> bool:
        owner = self.writing.find("organization", package["owner_org"])
        return bool(owner and self._is_member(owner[0]))

    def _is_member(self, organization: Thing) -> bool:
        return bool(self.user) and self.user in organization["members"]

    def _may_add_to(self, organization: object) -> None:
        if not organization:
            if not any(map(self._is_member, self._all("organization"))):
                raise Denied(say("no_member", self.user))
            return
        found = self.writing.find("organization", self._id_of("organization", str(organization)) or "")
        if found is None or not self._is_member(found[0]):
            raise Denied(say("not_member", self.user))

    def _needs_user(self, action: str) -> None:
        if not self.user:
            raise Denied(say("needs_user", action))

    def _id_of(self, kind: str, name: str) -> str | None:
        """The id of a living thing by its name or id."""
        named = self.writing.find(f"{kind}_name", name)
        found = self.writing.find(kind, named[0]["id"] if named else name)
        return found[0]["id"] if found and found[0]["state"] == "active" else None

    def _group(self, kind: str, given: Mapping[str, Any]) -> Thing:
        if not given.get("id"):
            raise Invalid({"id": [say("missing")]})
        found = self.writing.find(kind, self._id_of(kind, str(given["id"])) or "")
        if found is None:
            raise Missing("Group" if kind == "group" else "Organization")
        return found[0]

    def _list(self, kind: str, given: Thing) -> Any:
        found = sorted(self._all(kind), key=lambda each: each["name"])
        if given.get(f"{kind}s"):
            found = [each for each in found if each["name"] in given[f"{kind}s"]]
        full = boolean(given.get("all_fields"))
        return self._page([self._told_group(each) if full else each["name"] for each in found], given)

    def _all(self, kind: str) -> list[Thing]:
        return self.writing.contents(kind)

    def _public(self) -> list[Thing]:
        return [self._told(p) for p in self._all("package") if p["state"] == "active" and not p["private"]]

    def _number(self, given: Thing, name: str, default: int) -> int:
        try:
            return natural(given.get(name), default)
        except ValueError as error:
            raise Invalid({name: [str(error)]}) from error

    def _page(self, things: list[Any], given: Thing) -> list[Any]:
        offset, limit = self._number(given, "offset", 0), self._number(given, "limit", len(things))
        return things[offset : offset + limit]
