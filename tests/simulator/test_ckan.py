"""The national open data portal, seen with other people's clients: ckanapi, its command, and curl.

Belongs here: the action API as clients know it, what is refused and in which shape, files, rights, faults.
Stays out: the base (`test_national_base`), who publishes what.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ckanapi import CKANAPIError, NotAuthorized, NotFound, RemoteCKAN, ValidationError
from ckanapi.errors import SearchError, SearchQueryError

from simulator.national import Fault
from simulator.national.open_data import OpenData, OpenDataFaults, establish
from simulator.national.open_data_rules import MESSAGES

from .national_client import CLOCK, Curl, Lost, curl_of, play, serve, wait_for
from .national_faults import all_happen

ORG = "ubnd-tinh-bac-ninh"
API = "/api/3/action/"


def dataset(name: str = "co-so-y-te", **changed: object) -> dict:
    made = {
        "name": name,
        "title": "Cơ sở khám bệnh, chữa bệnh",
        "owner_org": ORG,
        "notes": "Được cấp phép",
        "license_id": "cc-by",
    }
    made |= {"tags": [{"name": "y tế"}], "extras": [{"key": "identifier", "value": f"H05.36/{name}"}]}
    return made | {"resources": [{"url": f"https://x.vn/{name}.csv", "format": "csv", "name": "CSV"}]} | changed


@pytest.fixture
def portal(tmp_path):
    with OpenData(tmp_path / "open_data") as service:
        service.record.set_clock(CLOCK)
        establish(service.record, "organization", {"bo-y-te": "Bộ Y tế"})
        establish(service.record, "group", {"y-te": "Y tế"})
        yield service


@pytest.fixture
def ckan(portal):
    with RemoteCKAN(portal.base, apikey=portal.secret) as client:
        client.action.organization_create(name=ORG, title="UBND tỉnh Bắc Ninh")
        yield client


@pytest.fixture
def anybody(portal):
    with RemoteCKAN(portal.base) as client:
        yield client


def errors(call, *arguments: object, **given: object) -> dict:
    with pytest.raises(ValidationError) as refused:
        call(*arguments, **given)
    assert refused.value.error_dict.pop("__type") == "Validation Error"
    return refused.value.error_dict


def test_the_committed_conversation(tmp_path):
    with OpenData(tmp_path) as service:
        assert play(service, "open_data") >= 18


# --- datasets --------------------------------------------------------------------------------------------------------


def test_a_datasets_life(portal, ckan, anybody):
    made = ckan.action.package_create(**dataset(groups=[{"name": "y-te"}]))
    assert (made["organization"]["name"], made["license_title"], made["isopen"]) == (
        ORG,
        "Creative Commons Attribution",
        True,
    )
    assert (
        made["num_resources"] == 1 and made["groups"][0]["title"] == "Y tế" and made["resources"][0]["format"] == "CSV"
    )
    assert made["metadata_created"].startswith("2026-11-19T10:30"), "UTC without a zone"
    assert anybody.action.package_show(id=made["name"]) == anybody.action.package_show(id=made["id"]) == made
    patched = ckan.action.package_patch(id=made["id"], version="2", name="co-so-kham-benh")
    assert patched["tags"] == made["tags"] and patched["resources"][0]["id"] == made["resources"][0]["id"]
    assert patched["metadata_modified"] > patched["metadata_created"]
    assert anybody.action.package_list() == ["co-so-kham-benh"]
    updated = ckan.action.package_update(id=made["id"], title="Khác", owner_org=ORG)
    assert (updated["name"], updated["tags"], updated["resources"], updated["notes"]) == (
        "co-so-kham-benh",
        [],
        [],
        None,
    )
    assert ckan.action.package_delete(id=made["id"]) is None
    assert ckan.action.package_show(id=made["id"])["state"] == "deleted" and anybody.action.package_list() == []
    with pytest.raises(NotAuthorized):
        anybody.action.package_show(id=made["id"])
    again = ckan.action.package_create(**dataset("co-so-kham-benh"))
    assert again["id"] != made["id"], "a deleted one's name is free"
    assert ckan.action.package_show(id="co-so-kham-benh")["id"] == again["id"]
    kinds = [(e.kind, e.operation) for e in portal.record.effects() if e.kind == "package"]
    assert [operation for _, operation in kinds] == ["insert", "update", "update", "delete", "insert"]


@pytest.mark.parametrize("get_only", [True, False])
def test_reading_with_get_and_post(portal, ckan, get_only):
    for number in range(3):
        ckan.action.package_create(**dataset(f"tap-{number}", private=number == 2))
    with RemoteCKAN(portal.base, get_only=get_only) as client:
        assert client.action.site_read() is True
        assert client.action.status_show()["ckan_version"].startswith("2.")
        assert [one["name"] for one in client.action.current_package_list_with_resources(limit=1, offset=1)] == [
            "tap-0"
        ]
        assert client.action.package_list(limit=1) == ["tap-0"]
        assert (
            client.action.organization_list() == ["bo-y-te", ORG]
            and client.action.group_list(all_fields=True)[0]["title"] == "Y tế"
        )
        assert client.action.organization_show(id=ORG, include_datasets=True)["package_count"] == 2
        assert client.action.tag_list() == ["y tế"] and "cc-by" in {one["id"] for one in client.action.license_list()}
        assert client.action.package_search(q="co so", fq=f"organization:{ORG}", rows=1)["count"] == 2
        assert "Search datasets" in client.action.help_show(name="package_search")


def test_fields_that_are_refused(portal, ckan):
    wrong = [
        ("name", "missing", ""), ("name", "name_short", "a"), ("name", "name_long", "a" * 101), ("name", "name_signs", "Co-So"),
        ("name", "name_signs", "cơ-sở"), ("name", "name_reserved", "search"), ("name", "name_string", 5), ("owner_org", "missing", ""),
        ("version", "version_long", "1" * 101), ("license_id", "licence", "free"), ("tags", "list", "y tế"), ("resources", "dict", ["x"]),
        ("groups", "list", "y-te"),
    ]  # fmt: skip
    for field, text, value in wrong:
        assert errors(ckan.action.package_create, **(dataset() | {field: value})) == {field: [MESSAGES[text]]}
    assert not portal.record.objects("package")
    assert [refusal.code for refusal in portal.record.refusals()] == ["Validation Error"] * len(wrong)


def test_errors_are_nested_as_ckan_nests_them(ckan):
    wrong = dataset(
        "Sai", tags=[{"name": "a"}, {"name": "y tế"}, {"name": "#y"}], author_email="x",
        extras=[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}, {"value": "3"}], resources=[{"url": "x"}, {"size": "lớn"}],
    )  # fmt: skip
    told = errors(ckan.action.package_create, **wrong)
    assert set(told) == {"name", "tags", "author_email", "extras", "extras_validation", "resources"}
    assert told["resources"] == [{}, {"size": [MESSAGES["integer"]]}] and told["extras"] == [
        {},
        {},
        {"key": [MESSAGES["missing"]]},
    ]
    assert len(told["tags"]) == 2
    ckan.action.package_create(**dataset())
    assert errors(ckan.action.package_create, **dataset()) == {"name": [MESSAGES["name_used"]]}
    assert set(errors(ckan.action.package_create, **dataset("khac", id="1"))) == {"id"}
    assert errors(ckan.action.organization_create, name=ORG) == {"name": [MESSAGES["group_used"]]}
    assert (
        errors(ckan.action.package_update, title="x")
        == errors(ckan.action.package_show)
        == {"id": [MESSAGES["missing"]]}
    )
    assert errors(ckan.action.resource_create, url="x") == {"package_id": [MESSAGES["missing"]]}


def test_who_may_do_what(portal, ckan, anybody):
    made = ckan.action.package_create(**dataset(private=True))
    wrong = RemoteCKAN(portal.base, apikey="sai")
    for client in (anybody, wrong):
        for act, given in (
            (client.action.package_create, dataset("khac")), (client.action.package_patch, {"id": made["id"]}),
            (client.action.package_delete, {"id": made["id"]}), (client.action.organization_create, {"name": "moi"}),
            (client.action.package_show, {"id": made["id"]}), (client.action.resource_show, {"id": made["resources"][0]["id"]}),
        ):  # fmt: skip
            with pytest.raises(NotAuthorized, match="Authorization Error"):
                act(**given)
    wrong.close()
    for act, organization in (
        (ckan.action.package_create, "bo-y-te"),
        (ckan.action.package_create, "khong-co"),
        (ckan.action.package_patch, "bo-y-te"),
    ):
        with pytest.raises(NotAuthorized):
            act(**dataset("khac", owner_org=organization) | {"id": made["id"]})
    assert [o["name"] for o in ckan.action.organization_list_for_user()] == [ORG]
    assert (
        anybody.action.package_search()["count"] == 0 and ckan.action.package_search(include_private=True)["count"] == 1
    )
    assert portal.record.objects("package")[made["id"]]["private"] is True


def test_what_is_not_there(ckan):
    for act, given in (
        (ckan.action.package_show, {"id": "khong-co"}), (ckan.action.package_update, {"id": "khong-co", "name": "khong-co"}),
        (ckan.action.package_delete, {"id": "khong-co"}), (ckan.action.resource_show, {"id": "khong-co"}),
        (ckan.action.resource_create, {"package_id": "khong-co", "url": "x"}), (ckan.action.organization_show, {"id": "khong-co"}),
        (ckan.action.package_create, dataset(groups=[{"name": "khong-co"}])), (ckan.action.help_show, {"name": "khong_co"}),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            act(**given)
    with pytest.raises(CKANAPIError, match="400"):
        ckan.action.package_destroy(id="x")


def test_search(ckan, anybody):
    for number, title in enumerate(("Trường học", "Trạm quan trắc", "Đường bộ")):
        tags = [{"name": "môi trường"}] if number == 1 else []
        ckan.action.package_create(**dataset(f"tap-{number}", title=title, notes="", tags=tags, license_id=None))

    def found(**given: object) -> list[str]:
        return sorted(package["name"] for package in anybody.action.package_search(**given)["results"])

    assert found() == found(q="*:*") == ["tap-0", "tap-1", "tap-2"]
    assert found(q="truong hoc") == ["tap-0"] and found(q="Đường") == ["tap-2"] and found(q="tra*") == ["tap-1"]
    assert found(q="title:quan") == found(q='tags:"môi trường"') == found(fq_list=["name:tap-1"]) == ["tap-1"]
    assert found(q="-tags:*") == ["tap-0", "tap-2"] and found(q="khong") == []
    assert found(fq="name:(tap-0 OR tap-2) +res_format:CSV") == ["tap-0", "tap-2"]
    assert found(q="identifier:H05.36/tap-2") == ["tap-2"]
    assert found(q="metadata_modified:[2026-11-19T00:00:00Z TO *]") == ["tap-0", "tap-1", "tap-2"]
    page = anybody.action.package_search(rows=1, start=1, sort="name desc", **{"facet.field": ["organization", "tags"]})
    assert (page["count"], [p["name"] for p in page["results"]]) == (3, ["tap-1"])
    assert page["facets"] == {"organization": {ORG: 3}, "tags": {"môi trường": 1}}
    assert page["search_facets"]["organization"]["items"][0]["display_name"] == "UBND tỉnh Bắc Ninh"
    with pytest.raises(SearchQueryError):
        anybody.action.package_search(query="x")
    with pytest.raises(SearchError):
        anybody.action.package_search(q='title:"x')
    assert errors(anybody.action.package_search, rows="mười") == {"rows": [MESSAGES["integer"]]}
    assert errors(anybody.action.package_list, limit=-1) == {"limit": [MESSAGES["natural"]]}


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_uploaded_and_fetched(portal, ckan):
    package = ckan.action.package_create(**dataset(resources=[]))
    content = b"ma,ten\r\n\x00\xff--x\r\n"
    made = ckan.action.resource_create(
        package_id=package["name"], name="Bảng", upload=("Cơ sở.csv", io.BytesIO(content), "text/csv")
    )
    assert (made["url_type"], made["size"], made["mimetype"], made["format"]) == (
        "upload",
        len(content),
        "text/csv",
        "CSV",
    )
    assert made["url"].endswith(f"{made['id']}/download/co-so.csv")
    assert subprocess.run(["curl", "-sSf", made["url"]], capture_output=True, check=True).stdout == content
    patched = ckan.action.resource_patch(id=made["id"], description="Tháng 11")
    assert patched["url"] == made["url"] and patched["size"] == len(content)
    ckan.action.resource_update(id=made["id"], upload=("b.json", io.BytesIO(b"{}"), "application/json"))
    assert subprocess.run(["curl", "-sS", made["url"]], capture_output=True, check=True).stdout.startswith(b'{"fault"')
    linked = ckan.action.resource_update(id=made["id"], url="https://x.vn/a.csv", format=".Csv")
    assert (linked["url"], linked["url_type"], linked["format"], linked["created"]) == (
        "https://x.vn/a.csv",
        None,
        "CSV",
        made["created"],
    )
    second = ckan.action.resource_create(package_id=package["id"], url="https://x.vn/b.csv", hash="sha256:0")
    assert (second["position"], second["hash"]) == (1, "sha256:0")
    ckan.action.resource_delete(id=made["id"])
    (left,) = ckan.action.package_show(id=package["id"])["resources"]
    assert (left["id"], left["position"]) == (second["id"], 0)
    with pytest.raises(NotFound):
        ckan.action.resource_show(id=made["id"])
    big = io.BytesIO(b"0" * (10 * 1024 * 1024 + 1))
    told = errors(ckan.action.resource_create, package_id=package["id"], upload=("big.csv", big, "text/csv"))
    assert told == {"upload": [MESSAGES["too_large"]]}
    assert portal.secret not in str(portal.record.requests())


# --- curl and the command ----------------------------------------------------------------------------------------------


def test_with_curl_in_every_way_it_sends(portal, ckan):
    ckan.action.package_create(**dataset())
    client, key = curl_of(portal), {"Authorization": portal.secret}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.send("POST", "/api/action/package_show", '{"id": "co-so-y-te"}', form)[1]["success"], "curl -d"
    assert (
        client.send("POST", API + "package_patch", "id=co-so-y-te&version=3", key | form)[1]["result"]["version"] == "3"
    )
    for body in ("{", "[1]", '"x"'):
        status, answer = client.send("POST", API + "package_show", body, {"Content-Type": "application/json"})
        assert status == 400 and answer.startswith(MESSAGES["bad_request"])
    assert client.send("GET", API + "package_delete?id=co-so-y-te", headers=key)[0] == 400, "GET writes nothing"
    assert client.send("PUT", API + "package_show", "{}")[0] == client.send("GET", "/api/3/xyz")[0] == 404
    path = Path(__file__)
    options = f"-sS -H Authorization:{portal.secret} -F package_id=co-so-y-te -F upload=@{path}".split(" ")
    done = subprocess.run(["curl", *options, f"{portal.base}{API}resource_create"], capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert told["help"].endswith("help_show?name=resource_create") and told["result"]["size"] == path.stat().st_size


def test_the_command_loads_what_is_shown(portal, ckan, tmp_path):
    shown = ckan.action.package_create(**dataset())
    lines, folder = tmp_path / "datasets.jsonl", str(Path(sys.executable).parent)
    lines.write_text("\n".join(json.dumps(one) for one in (shown | {"title": "Mới"}, dataset("moi"))))
    options = f"load datasets -I {lines} -p 1 -r {portal.base} -a {portal.secret}".split(" ")
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run([f"{folder}/ckanapi", *options], capture_output=True, check=True, env=env)
    loaded = [ckan.action.package_show(id=name) for name in ("co-so-y-te", "moi")]
    assert [one["title"] for one in loaded] == ["Mới", shown["title"]]
    assert loaded[0]["resources"][0]["id"] == shown["resources"][0]["id"]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_every_fault_of_an_action_happens(portal, ckan):
    client = curl_of(portal)
    headers = {"Authorization": portal.secret, "Content-Type": "application/json"}

    def create(number: int) -> tuple:
        return client.send("POST", API + "package_create", dataset(f"tap-{number}"), headers)

    def there(number: int) -> int:
        return sum(package["name"] == f"tap-{number}" for package in portal.record.objects("package").values())

    struck = all_happen(portal, client, "package_create", create, there, whole=1, expired=403)
    assert struck == set(OpenDataFaults.strikes["package_create"]) - {"contrary", "skew"} and len(struck) == 13


def test_faults_of_its_own(portal, ckan):
    portal.plan = OpenDataFaults(
        (
            Fault(1, "contrary", "package_create"), Fault(2, "skew", "package_create"), Fault(1, "contrary", "package_show"),
            Fault(1, "miscount", "package_search"), Fault(3, "drop_after", "package_create"),
        )
    )  # fmt: skip
    assert errors(ckan.action.package_create, **dataset()) == {"name": [MESSAGES["name_used"]]}
    assert ckan.action.package_create(**dataset())["metadata_created"].startswith("2026-11-19T10:23"), (
        "seven minutes behind"
    )
    with pytest.raises(NotFound):
        ckan.action.package_show(id="co-so-y-te")
    assert ckan.action.package_search()["count"] == 2 and len(ckan.action.package_search()["results"]) == 1
    client = Curl(portal.base, portal.key, portal.secret)
    headers = {"Authorization": portal.secret, "Content-Type": "application/json"}
    with pytest.raises(Lost):
        client.send("POST", API + "package_create", dataset("khac"), headers)
    wait_for(lambda: len(portal.record.objects("package")) == 2, "not applied")
    assert errors(ckan.action.package_create, **dataset("khac")) == {"name": [MESSAGES["name_used"]]}, (
        "it had been applied"
    )
    portal.plan = OpenDataFaults(poison=("khac",))
    assert client.send("POST", API + "package_patch", {"id": "khac"}, headers)[0] == 500


def test_killed_it_forgets_nothing(tmp_path):
    (tmp_path / "organizations.csv").write_text("name,title\nbo-y-te,Bộ Y tế\n", encoding="utf-8")
    home, given, seen = tmp_path / "home", ("--lists", tmp_path), []
    for number in range(2):
        process, client = serve("open_data", home, *(given if number == 0 else ()))
        try:
            ckan = RemoteCKAN(client.base, apikey=client.secret)
            if number == 0:
                ckan.action.organization_create(name=ORG)
                package = ckan.action.package_create(**dataset(resources=[]))
                made = ckan.action.resource_create(
                    package_id=package["id"], upload=("a.csv", io.BytesIO(b"a\n"), "text/csv")
                )
            seen.append((ckan.action.organization_list(), ckan.action.package_list()))
            assert subprocess.run(["curl", "-sSf", made["url"]], capture_output=True, check=True).stdout == b"a\n"
            ckan.close()
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
    assert seen == [(["bo-y-te", ORG], ["co-so-y-te"])] * 2
