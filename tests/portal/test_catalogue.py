"""The catalogue is DCAT-AP 3, tells of what readers have, and changes only when that does."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import pyshacl
import pytest
import rdflib
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF

from orchestration import portal
from orchestration.portal import files
from orchestration.portal.model import OpenDataset

from .conftest import facility, release_facilities, release_schools, schools

HERE = Path(__file__).parent
SPDX = rdflib.Namespace("http://spdx.org/rdf/terms#")
ADMS_CLASSES = {
    DCAT.Catalog: [DCTERMS.title, DCTERMS.description, DCTERMS.publisher, DCAT.dataset],
    DCAT.Dataset: [
        DCTERMS.title, DCTERMS.description, DCTERMS.publisher, DCAT.contactPoint, DCAT.distribution, DCAT.keyword, DCAT.theme,
        DCTERMS.spatial, DCTERMS.temporal, DCTERMS.identifier, DCTERMS.issued, DCAT.version,
    ],
    DCAT.Distribution: [DCAT.accessURL, DCTERMS.license, DCTERMS["format"], DCTERMS.description, SPDX.checksum, DCAT.byteSize],
    SPDX.Checksum: [SPDX.algorithm, SPDX.checksumValue],
    FOAF.Agent: [FOAF.name],
}  # fmt: skip


@cache
def shapes() -> rdflib.Graph:
    return rdflib.Graph().parse(HERE / "shapes.ttl")


def conforms(graph: rdflib.Graph) -> tuple[bool, str]:
    ok, _, text = pyshacl.validate(graph, shacl_graph=shapes())
    return bool(ok), str(text)


@pytest.fixture
def published(home: Path) -> list[OpenDataset]:
    """Two of three datasets have a version, the facilities two."""
    datasets = portal.load_all()
    release_facilities([facility(1)])
    release_schools([schools("07210")])
    for dataset in datasets:
        portal.publish(dataset)
    release_facilities([facility(1), facility(2)])
    assert portal.publish(datasets[1]).version == 2
    return datasets


def graph_of(path: Path) -> rdflib.Graph:
    return rdflib.Graph().parse(path, format="json-ld")


def test_it_conforms_and_each_missing_property_is_noticed(published: list[OpenDataset]) -> None:
    graph = graph_of(portal.write_catalogue())
    ok, text = conforms(graph)
    assert ok, text
    for kind, properties in ADMS_CLASSES.items():
        for subject in sorted(graph.subjects(RDF.type, kind))[:1]:
            for name in properties:
                removed = list(graph.triples((subject, name, None)))
                assert removed, f"{subject} has no {name}"
                for triple in removed:
                    graph.remove(triple)
                assert not conforms(graph)[0], f"nobody misses {name} of {kind}"
                for triple in removed:
                    graph.add(triple)
    assert conforms(graph)[0]


def test_it_tells_what_readers_have(published: list[OpenDataset], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_PORTAL_URL", "https://mo.vidu.vn/kho/")
    graph = graph_of(portal.write_catalogue())
    url = "https://mo.vidu.vn/kho"
    (catalogue,) = graph.subjects(RDF.type, DCAT.Catalog)
    listed = {str(found) for found in graph.objects(catalogue, DCAT.dataset)}
    assert listed == {f"{url}/health_facilities", f"{url}/schools_by_commune"}, "communes were never published"
    me = rdflib.URIRef(f"{url}/health_facilities")
    assert set(graph.objects(me, DCTERMS.title)) == {
        rdflib.Literal("Cơ sở khám bệnh, chữa bệnh", lang="vi"),
        rdflib.Literal("Health facilities", lang="en"),
    }
    assert graph.value(me, DCAT.version) == rdflib.Literal("2")
    assert {str(found) for found in graph.subjects(RDF.type, DCAT.Dataset)} == listed, "no version beside its dataset"
    assert set(graph.objects(me, DCTERMS.spatial)) == {rdflib.URIRef(f"{url}/place/24/2025-07-01")}
    seen = set()
    for distribution in graph.objects(me, DCAT.distribution):
        address = str(graph.value(distribution, DCAT.downloadURL))
        assert str(distribution).startswith(f"{url}/health_facilities/2#"), "another file is another distribution"
        data = (files.folder(".") / address.removeprefix(f"{url}/")).read_bytes()
        checksum = graph.value(distribution, SPDX.checksum)
        value = graph.value(checksum, SPDX.checksumValue)
        size = graph.value(distribution, DCAT.byteSize)
        assert value is not None and size is not None
        assert str(value) == hashlib.sha256(data).hexdigest()
        assert int(str(size)) == len(data)
        seen.add(str(graph.value(distribution, DCAT.mediaType)).rpartition("media-types/")[2])
    assert seen == {"text/csv", "application/json", "application/vnd.apache.parquet"}


def test_it_is_written_when_it_changes_only(published: list[OpenDataset]) -> None:
    path = portal.write_catalogue()
    first = (path.stat().st_mtime_ns, path.read_bytes())
    portal.write_catalogue()
    assert (path.stat().st_mtime_ns, path.read_bytes()) == first
    release_facilities([facility(1), facility(3, "024099000111")])
    assert portal.publish(published[1]).state == "held"
    portal.write_catalogue()
    assert (path.stat().st_mtime_ns, path.read_bytes()) == first, "a held dataset stays with its version"
    release_facilities([facility(4)])
    portal.publish(published[1])
    assert portal.write_catalogue().read_bytes() != first[1]


def test_with_nothing_published_it_lists_nothing(home: Path) -> None:
    found = json.loads(portal.write_catalogue().read_text(encoding="utf-8"))
    (catalogue,) = [node for node in found["@graph"] if node["@type"] == "dcat:Catalog"]
    assert catalogue["dcat:dataset"] == []
