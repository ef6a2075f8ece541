"""The actions of a CKAN portal: what each does to datasets, resources and organizations, and who may do it.

Belongs here: one method an action, what it takes and returns.
Stays out: finding, storing and rights (`open_data_store`), reading requests and wrapping answers (`open_data`).

Anybody may read what is public. The portal has one user with a token; a user may change the datasets of the
organizations of which it is a member, and is a member of those that it has created.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.national import open_data_search as search
from simulator.national.open_data_rules import (
    LICENCES,
    Errors,
    Thing,
    boolean,
    dataset,
    name_errors,
    resource,
    say,
)
from simulator.national.open_data_store import BadSearch, Denied, Invalid, Missing, Store

VERSION = "2.10.4"
MOST_ROWS = 1000


@dataclass(frozen=True)
class File:
    """A file that was uploaded, already kept. `name`: as it is in its address; `type`: as the sender says."""

    name: str
    size: int
    type: str


class Actions(Store):
    """The actions of one request."""

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
            if p["state"] == "active" and (not p["private"] or (hidden and self._may_edit(p)))
        ]
        more = given.get("fq_list") or []
        filters = [given.get("fq") or "", *([more] if isinstance(more, str) else more)]
        titles = {each["name"]: each["title"] for kind in ("organization", "group") for each in self._all(kind)}
        sort = str(given.get("sort") or "metadata_modified desc")
        try:
            tests = [search.matcher(str(query)) for query in (given.get("q") or "", *filters)]
            found = search.ordered([package for package in seen if all(test(package) for test in tests)], sort)
            counts, items = search.facets(found, given, titles)
        except ValueError as error:  # a query or a list of facets that cannot be read
            raise BadSearch("Search Error", say("query", error)) from error
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
        groups = [{"id": key} for key in before["groups"]]
        return self._replace(before, before | {"groups": groups} | given | {"id": before["id"]})

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
