"""The actions of a CKAN portal: what each does to datasets, resources and organizations, and who may do it.

Belongs here: one method an action, rights, names and ids, what an action returns.
Stays out: reading requests and wrapping answers (`open_data`), rules of single fields (`open_data_rules`).

Anybody may read what is public. The portal has one user with a token; a user may change the datasets of the
organizations of which it is a member, and is a member of those that it has created.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.national import open_data_search as search
from simulator.national.open_data_rules import (
    LICENCES,
    Errors,
    Thing,
    boolean,
    dataset,
    name_errors,
    natural,
    resource,
    say,
)
from simulator.national.record import Writing

VERSION = "2.10.4"
MOST_ROWS = 1000


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


@dataclass(frozen=True)
class File:
    """A file that was uploaded, already kept. `name`: as it is in its address; `type`: as the sender says."""

    name: str
    size: int
    type: str


class Actions:
    """The actions of one request. `user`: empty for anybody; `base`: the portal's address."""

    def __init__(self, writing: Writing, user: str, now: datetime, base: str) -> None:
        self.writing, self.user, self.base = writing, user, base
        self.now = now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

    # -- the portal -----------------------------------------------------------------------------------------------------

    def site_read(self, given: Thing) -> Any:
        """True: anybody may look."""
        return True

    def status_show(self, given: Thing) -> Any:
        """What the portal is."""
        told = {
            "ckan_version": VERSION,
            "site_url": self.base,
            "site_title": "Cổng dữ liệu quốc gia",
            "locale_default": "vi",
        }
        return told | {"site_description": "", "error_emails_to": None, "extensions": []}

    def help_show(self, given: Thing) -> Any:
        """The documentation of an action."""
        action = getattr(type(self), str(given.get("name", "")), None) if given.get("name") in ACTIONS else None
        if action is None:
            raise Missing("help")
        return action.__doc__

    def license_list(self, given: Thing) -> Any:
        """Every licence."""
        return [
            {"id": key, "title": title, "url": url, "status": "active", "is_okd_compliant": is_open, "od_conformance": is_open}
            for key, (title, url, is_open) in LICENCES.items()
        ]  # fmt: skip

    def tag_list(self, given: Thing) -> Any:
        """Names of the tags of public datasets; `query`: a part of them."""
        names = {tag["name"] for package in self._public() for tag in package["tags"]}
        return sorted(name for name in names if str(given.get("query", "")).lower() in name.lower())

    # -- organizations and groups ---------------------------------------------------------------------------------------

    def group_list(self, given: Thing) -> Any:
        """Names of the groups, or with `all_fields` the groups."""
        return self._list("group", given)

    def organization_list(self, given: Thing) -> Any:
        """Names of the organizations, or with `all_fields` the organizations."""
        return self._list("organization", given)

    def organization_list_for_user(self, given: Thing) -> Any:
        """The organizations of which the user is a member."""
        return [self._told_group(each) for each in self._all("organization") if self._is_member(each)]

    def group_show(self, given: Thing) -> Any:
        """A group."""
        return self._told_group(self._group("group", given))

    def organization_show(self, given: Thing) -> Any:
        """An organization; with `include_datasets` its datasets."""
        found = self._group("organization", given)
        told = self._told_group(found)
        if boolean(given.get("include_datasets")):
            told["packages"] = [p for p in self._public() if p["owner_org"] == found["id"]][:MOST_ROWS]
        return told

    def organization_create(self, given: Thing) -> Any:
        """Create an organization; the user becomes a member of it."""
        self._needs_user("organization_create")
        errors: Errors = {}
        if wrong := name_errors(given.get("name")):
            errors["name"] = wrong
        elif self._id_of("organization", given["name"]) or self._id_of("group", given["name"]):
            errors["name"] = [say("group_used")]
        if given.get("id"):
            errors["id"] = [say("unexpected", "id")]
        if errors:
            raise Invalid(errors)
        made: Thing = {
            "id": str(uuid.uuid4()),
            "name": given["name"],
            "title": given.get("title") or "",
            "created": self.now,
        }
        made |= {"description": given.get("description") or "", "image_url": given.get("image_url") or ""}
        made |= {"extras": given.get("extras") or [], "state": "active", "type": "organization", "members": [self.user]}
        self._put("organization", "insert", made)
        return self._told_group(made)

    # -- datasets -------------------------------------------------------------------------------------------------------

    def package_list(self, given: Thing) -> Any:
        """Names of the public datasets; `limit`, `offset`."""
        return self._page(sorted(package["name"] for package in self._public()), given)

    def current_package_list_with_resources(self, given: Thing) -> Any:
        """The public datasets, those changed last first; `limit`, `offset`."""
        return self._page(search.ordered(self._public(), "metadata_modified desc"), given)

    def package_show(self, given: Thing) -> Any:
        """A dataset by id or name."""
        found = self._package(given)
        if (found["private"] or found["state"] != "active") and not self._may_edit(found):
            raise Denied(say("not_reader", self.user, found["id"]))
        return self._told(found)

    def package_search(self, given: Thing) -> Any:
        """Search datasets: `q`, `fq`, `rows`, `start`, `sort`, `facet.field`, `include_private`."""
        if strange := sorted(given.keys() - search.PARAMETERS):
            raise BadSearch("Search Query Error", say("search", strange))
        rows, start = self._number(given, "rows", 10), self._number(given, "start", 0)
        hidden = boolean(given.get("include_private"))
        seen = [
            self._told(p)
            for p in self._all("package")
            if p["state"] == "active" and (not p["private"] or hidden and self._may_edit(p))
        ]
        filters = [given.get("fq") or "", *(given.get("fq_list") or [])]
        try:
            tests = [search.matcher(str(query)) for query in (given.get("q") or "", *filters)]
        except search.BadQuery as error:
            raise BadSearch("Search Error", say("query", error)) from error
        sort = str(given.get("sort") or "metadata_modified desc")
        found = search.ordered([package for package in seen if all(test(package) for test in tests)], sort)
        titles = {each["name"]: each["title"] for kind in ("organization", "group") for each in self._all(kind)}
        counts, items = search.facets(found, given, titles)
        shown = found[start : start + min(rows, MOST_ROWS)]
        return {"count": len(found), "facets": counts, "results": shown, "sort": sort, "search_facets": items}

    def package_create(self, given: Thing) -> Any:
        """Create a dataset."""
        self._needs_user("package_create")
        self._may_add_to(given.get("owner_org"))
        errors: Errors = {}
        made = dataset(given, errors)
        if given.get("id"):
            errors["id"] = [say("unexpected", "id")]
        made |= {"id": str(uuid.uuid4()), "metadata_created": self.now, "creator_user_id": self.user, "state": "active"}
        return self._keep(made, given, errors, None)

    def package_update(self, given: Thing) -> Any:
        """Replace a dataset: what is not given is gone, its resources too."""
        self._needs_user("package_update")
        if not given.get("id") and not given.get("name"):
            raise Invalid({"id": [say("missing")]})
        before = self._editable({"id": given.get("id") or given["name"]}, "package_update")
        return self._replace(before, given)

    def package_patch(self, given: Thing) -> Any:
        """Replace only the fields of a dataset that are given."""
        before = self._editable(given, "package_patch")
        return self._replace(before, before | given | {"id": before["id"]})

    def package_delete(self, given: Thing) -> Any:
        """Delete a dataset: it is marked so, and its name is free again."""
        found = self._editable(given, "package_delete")
        self.writing.put(
            "package", "delete", found["id"], found | {"state": "deleted", "metadata_modified": self.now}, ""
        )

    # -- resources ------------------------------------------------------------------------------------------------------

    def resource_show(self, given: Thing) -> Any:
        """A resource by its id."""
        package, number = self._resource(given)
        self.package_show({"id": package["id"]})
        return package["resources"][number]

    def resource_create(self, given: Thing, file: File | None = None) -> Any:
        """Add a resource to a dataset, with a file (`upload`) or an address (`url`)."""
        self._needs_user("resource_create")
        if not given.get("package_id"):
            raise Invalid({"package_id": [say("missing")]})
        package = self._editable({"id": given["package_id"]}, "resource_create")
        made = self._resource_of(given, {"id": str(uuid.uuid4()), "created": self.now}, file, package)
        self._store(package | {"resources": [*package["resources"], made]}, package)
        return self._resource_told(package["id"], made["id"])

    def resource_update(self, given: Thing, file: File | None = None) -> Any:
        """Replace a resource, whole."""
        self._needs_user("resource_update")
        package, number = self._resource(given)
        return self._change(package, number, given, file, "resource_update")

    def resource_patch(self, given: Thing, file: File | None = None) -> Any:
        """Replace only the fields of a resource that are given."""
        self._needs_user("resource_patch")
        package, number = self._resource(given)
        return self._change(package, number, package["resources"][number] | given, file, "resource_patch")

    def resource_delete(self, given: Thing) -> Any:
        """Take a resource out of its dataset."""
        self._needs_user("resource_delete")
        package, number = self._resource(given)
        self._editable({"id": package["id"]}, "resource_delete")
        self._store(package | {"resources": [r for n, r in enumerate(package["resources"]) if n != number]}, package)

    def _change(self, package: Thing, number: int, given: Thing, file: File | None, action: str) -> Any:
        self._editable({"id": package["id"]}, action)
        before = package["resources"][number]
        kept = {"id": before["id"], "created": before["created"]}
        if file is None and given.get("url") in ("", None, before["url"]) and before["url_type"] == "upload":
            given = given | {name: before[name] for name in ("url", "url_type", "size", "mimetype")}
        made = self._resource_of(given, kept, file, package)
        resources = [made if n == number else each for n, each in enumerate(package["resources"])]
        self._store(package | {"resources": resources}, package)
        return self._resource_told(package["id"], made["id"])

    def _resource_of(self, given: Thing, kept: Thing, file: File | None, package: Thing) -> Thing:
        errors: Errors = {}
        made = resource(given, errors) | kept | {"metadata_modified": self.now}
        if errors:
            raise Invalid(errors)
        if file is not None:
            url = f"{self.base}/dataset/{package['id']}/resource/{made['id']}/download/{file.name}"
            made |= {
                "url": url,
                "url_type": "upload",
                "size": file.size,
                "mimetype": file.type,
                "last_modified": self.now,
            }
            made["format"] = made["format"] or file.name.rpartition(".")[2].upper()
        return made

    def _resource(self, given: Thing) -> tuple[Thing, int]:
        if not given.get("id"):
            raise Invalid({"id": [say("missing")]})
        found = self.writing.find("resource", str(given["id"]))
        package = self.writing.find("package", found[0]["package_id"]) if found else None
        for number, each in enumerate(package[0]["resources"] if package else ()):
            if package and each["id"] == given["id"]:
                return package[0], number
        raise Missing("Resource")

    def _resource_told(self, package: str, wanted: str) -> Thing:
        return next(each for each in self._package({"id": package})["resources"] if each["id"] == wanted)

    # -- keeping and telling --------------------------------------------------------------------------------------------

    def _replace(self, before: Thing, given: Thing) -> Any:
        errors: Errors = {}
        if given.get("owner_org") and self._id_of("organization", given["owner_org"]) != before["owner_org"]:
            self._may_add_to(given["owner_org"])
        made = dataset({"name": before["name"]} | given, errors)
        kept = {name: before[name] for name in ("id", "metadata_created", "creator_user_id", "state")}
        return self._keep(made | kept, {"owner_org": before["owner_org"]} | given, errors, before)

    def _keep(self, made: Thing, given: Thing, errors: Errors, before: Thing | None) -> Any:
        """Check what concerns other things than the dataset itself, and store it."""
        owner = self._id_of("organization", str(given.get("owner_org") or ""))
        if owner is None:
            errors["owner_org"] = [say("missing")]
        if "name" not in errors and self._id_of("package", made["name"]) not in (None, made["id"]):
            errors["name"] = [say("name_used")]
        groups = [
            self._group("group", {"id": each.get("id") or each.get("name")})["id"] for each in given.get("groups") or []
        ]
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
            self._told_group(each[0]) for each in (self.writing.find("group", key) for key in package["groups"]) if each
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
        owner = self._told_group(found[0]) if found else {}
        told = package | {
            "license_title": title,
            "isopen": is_open,
            "organization": {name: owner[name] for name in organization},
        }
        told |= {"groups": [{name: each[name] for name in shown} for each in groups]}
        told |= {"license_url": url} if url else {}
        told |= {"num_resources": len(package["resources"]), "num_tags": len(package["tags"])}
        return told | {"relationships_as_object": [], "relationships_as_subject": []}

    def _told_group(self, group: Thing) -> Thing:
        count = sum(
            package["owner_org"] == group["id"] or group["id"] in package["groups"]
            for package in self._all("package")
            if package["state"] == "active" and not package["private"]
        )
        told = {name: value for name, value in group.items() if name != "members"}
        told |= {"approval_status": "approved", "display_name": group["title"] or group["name"], "package_count": count}
        told |= {"is_organization": group["type"] == "organization", "image_display_url": group["image_url"]}
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


READS = (
    "site_read", "status_show", "help_show", "license_list", "tag_list", "group_list", "group_show", "organization_list",
    "organization_list_for_user", "organization_show", "package_list", "current_package_list_with_resources", "package_show",
    "package_search", "resource_show",
)  # fmt: skip
UPLOADS = ("resource_create", "resource_update", "resource_patch")
WRITES = (
    "organization_create",
    "package_create",
    "package_update",
    "package_patch",
    "package_delete",
    "resource_delete",
    *UPLOADS,
)
ACTIONS = (*READS, *WRITES)
Action = Callable[..., Any]
