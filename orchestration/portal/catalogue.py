"""The catalogue of open data as DCAT-AP 3 in JSON-LD, for harvesters.

Belongs here: classes and properties, identifiers, deterministic bytes. Stays out: what a dataset is called (its declaration) and what
was published (the database). Every identifier lies under KHO_PORTAL_URL and does not change from version to version, except a
version's own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration import settings
from orchestration.contracts import LegalBasis
from orchestration.portal import files
from orchestration.portal.declaration import EU
from orchestration.portal.metadata import identifier, version_identifier
from orchestration.portal.model import FORMATS, Body, OpenDataset, Version
from orchestration.portal.publish import versions
from orchestration.warehouse import connect

NAME = "catalog.jsonld"
TITLE = ("Danh mục dữ liệu mở tỉnh Bắc Ninh", "Open data catalogue of Bac Ninh province")
DESCRIPTION = (
    "Các bộ dữ liệu mở của tỉnh Bắc Ninh, phiên bản mới nhất ở dạng CSV, JSON và Parquet.",
    "Open datasets of Bac Ninh province, the newest version of each as CSV, JSON and Parquet.",
)
_IANA = "http://www.iana.org/assignments/media-types"
_PUBLIC = f"{EU}/access-right/PUBLIC"
_LOCAL_AUTHORITY = "http://purl.org/adms/publishertype/LocalAuthority"
_STABLE = f"{EU}/planned-availability/STABLE"
_CONTEXT = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
#: Property -> class of what it points to. Entries of published lists are typed (and labelled) here too: a harvester checks ranges
#: without fetching the lists.
_RANGES = {
    "dct:accessRights": "dct:RightsStatement",
    "dct:accrualPeriodicity": "dct:Frequency",
    "dct:format": "dct:MediaTypeOrExtent",
    "dct:language": "dct:LinguisticSystem",
    "dct:license": "dct:LicenseDocument",
    "dct:type": "skos:Concept",
    "dcat:mediaType": "dct:MediaType",
    "dcat:theme": "skos:Concept",
    "dcat:themeTaxonomy": "skos:ConceptScheme",
    "dcatap:availability": "skos:Concept",
    "foaf:homepage": "foaf:Document",
    "spdx:algorithm": "spdx:ChecksumAlgorithm",
}
_LABELS = {
    _LOCAL_AUTHORITY: ("Cơ quan địa phương", "Local authority"),
    _STABLE: ("Ổn định", "Stable"),
    f"{EU}/data-theme": ("Lĩnh vực dữ liệu (EU)", "Data theme (EU)"),
}
Node = dict[str, Any]


def write_catalogue(datasets: Sequence[OpenDataset]) -> Path:
    """Write `catalog.jsonld` of every dataset that has a version, held ones included; the file is touched only when it changes."""
    with connect("release") as connection:
        newest = {version.dataset: version for version in versions(connection, [dataset.id for dataset in datasets])}
    path = settings.portal_folder() / NAME
    files.write_if_changed(path, catalogue_bytes(datasets, newest, settings.portal_url()))
    return path


def catalogue_bytes(datasets: Iterable[OpenDataset], newest: dict[str, Version], url: str) -> bytes:
    """The catalogue: the same datasets and versions give the same bytes."""
    listed = [(dataset, newest[dataset.id]) for dataset in sorted(datasets, key=lambda d: d.id) if dataset.id in newest]
    nodes: dict[str, Node] = {}
    for dataset, version in listed:
        for node in _dataset(dataset, version, url):
            nodes[node["@id"]] = node
    catalogue = _catalogue(listed, url)
    for node in [catalogue, *nodes.values()]:
        for entry in _entries(node):
            nodes.setdefault(entry["@id"], entry)
    ordered = [catalogue, *(nodes[name] for name in sorted(nodes))]
    text = json.dumps({"@context": _CONTEXT, "@graph": ordered}, ensure_ascii=False, indent=1, sort_keys=True)
    return (text + "\n").encode()


def _entries(node: Node) -> Iterator[Node]:
    """A typed node for everything of a published list that `node` points to."""
    for name, kind in _RANGES.items():
        found = node.get(name, [])
        for item in found if isinstance(found, list) else [found]:
            entry: Node = {"@id": item["@id"], "@type": kind}
            if item["@id"] in _LABELS:
                entry["dct:title" if kind == "skos:ConceptScheme" else "skos:prefLabel"] = _both(*_LABELS[item["@id"]])
            yield entry


def _catalogue(listed: Sequence[tuple[OpenDataset, Version]], url: str) -> Node:
    node: Node = {
        "@id": f"{url}/{NAME}#catalogue",
        "@type": "dcat:Catalog",
        "dct:title": _both(*TITLE),
        "dct:description": _both(*DESCRIPTION),
        "dct:language": _ids([f"{EU}/language/VIE", f"{EU}/language/ENG"]),
        "foaf:homepage": _id(f"{url}/"),
        "dcat:themeTaxonomy": _id(f"{EU}/data-theme"),
        "dcat:dataset": _ids(identifier(url, dataset.id) for dataset, _ in listed),
    }
    if listed:
        node |= {
            "dct:publisher": _id(_agent_id(listed[0][0].publisher, url)),
            "dct:issued": _moment(min(version.first_published_at for _, version in listed)),
            "dct:modified": _moment(max(version.published_at for _, version in listed)),
            "dct:spatial": _ids(sorted({_place_id(dataset, url) for dataset, _ in listed})),
        }
    return node


def _dataset(dataset: OpenDataset, version: Version, url: str) -> list[Node]:
    me, mine = identifier(url, dataset.id), version_identifier(url, dataset.id, version.version)
    distributions = [f"{me}#{FORMATS[file.name][0].lower()}" for file in version.files if file.name in FORMATS]
    about: Node = {
        "@type": "dcat:Dataset",
        "dct:title": _both(dataset.title_vi, dataset.title_en),
        "dct:description": _both(dataset.description_vi, dataset.description_en),
        "dct:publisher": _id(_agent_id(dataset.publisher, url)),
        "dct:creator": _id(_agent_id(dataset.creator, url)),
        "dcat:contactPoint": _id(f"{me}#contact"),
        "dcat:theme": _ids([dataset.theme, _theme_id(dataset, url)]),
        "dcat:keyword": [_text(k, "vi") for k in dataset.keywords_vi] + [_text(k, "en") for k in dataset.keywords_en],
        "dct:accessRights": _id(_PUBLIC),
        "dct:accrualPeriodicity": _id(dataset.frequency),
        "dct:language": _ids(dataset.languages),
        "dct:spatial": _id(_place_id(dataset, url)),
        "dct:temporal": _id(f"{me}#period"),
        "dcatap:applicableLegislation": _ids(_law_id(basis, url) for basis in dataset.legal_basis),
        "dcat:version": str(version.version),
        "dct:modified": _moment(version.published_at),
    }
    abstract = about | {
        "@id": me,
        "dct:identifier": me,
        "dct:issued": _moment(version.first_published_at),
        "dcat:distribution": _ids(distributions),
        "dcat:hasVersion": _id(mine),
    }
    this = about | {
        "@id": mine,
        "dct:identifier": mine,
        "dct:issued": _moment(version.published_at),
        "dcat:isVersionOf": _id(me),
        "dcat:distribution": _ids(distributions),
    }
    if version.previous is not None:
        this["dcat:previousVersion"] = _id(version_identifier(url, dataset.id, version.previous))
    return [
        abstract,
        this,
        *_distributions(dataset, version, url),
        *(_agent(body, url) for body in (dataset.creator, dataset.publisher)),
        *(_law(basis, url) for basis in dataset.legal_basis),
        _contact(dataset, me),
        _period(dataset, me),
        {"@id": _place_id(dataset, url), "@type": "dct:Location", "dct:identifier": dataset.place_code,
         "skos:prefLabel": _both(dataset.place_vi, dataset.place_en)},
        {"@id": _theme_id(dataset, url), "@type": "skos:Concept", "skos:prefLabel": _text(dataset.theme_vi, "vi"),
         "skos:broadMatch": _id(dataset.theme)},
        {"@id": dataset.theme, "@type": "skos:Concept", "skos:prefLabel": _text(dataset.theme_vi, "vi")},
    ]  # fmt: skip


def _distributions(dataset: OpenDataset, version: Version, url: str) -> list[Node]:
    me, mine = identifier(url, dataset.id), version_identifier(url, dataset.id, version.version)
    found = []
    for file in version.files:
        if file.name not in FORMATS:
            continue
        name, media_type, file_type = FORMATS[file.name]
        distribution = f"{me}#{name.lower()}"
        checksum: Node = {
            "@id": f"{distribution}-checksum",
            "@type": "spdx:Checksum",
            "spdx:algorithm": _id("http://spdx.org/rdf/terms#checksumAlgorithm_sha256"),
            "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": file.sha256},
        }
        found += [
            checksum,
            {
                "@id": distribution,
                "@type": "dcat:Distribution",
                "dct:title": _both(f"{dataset.title_vi} ({name})", f"{dataset.title_en} ({name})"),
                "dct:description": _both(f"Toàn bộ dữ liệu ở dạng {name}.", f"All of the data as {name}."),
                "dcat:accessURL": _id(f"{mine}/{file.name}"),
                "dcat:downloadURL": _id(f"{mine}/{file.name}"),
                "dcat:mediaType": _id(f"{_IANA}/{media_type}"),
                "dct:format": _id(f"{EU}/file-type/{file_type}"),
                "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(file.bytes)},
                "spdx:checksum": _id(checksum["@id"]),
                "dct:license": _id(dataset.licence),
                "dct:language": _ids(dataset.languages),
                "dcatap:availability": _id(_STABLE),
                "dct:issued": _moment(version.published_at),
                "dct:modified": _moment(version.published_at),
            },
        ]
    return found


def _agent_id(body: Body, url: str) -> str:
    return f"{url}/agent/{body.code}"


def _agent(body: Body, url: str) -> Node:
    return {
        "@id": _agent_id(body, url),
        "@type": "foaf:Agent",
        "foaf:name": _both(body.name_vi, body.name_en),
        "dct:identifier": body.code,
        "dct:type": _id(_LOCAL_AUTHORITY),
    }


def _contact(dataset: OpenDataset, me: str) -> Node:
    return {
        "@id": f"{me}#contact",
        "@type": ["vcard:Kind", "vcard:Organization"],
        "vcard:fn": dataset.contact_name,
        "vcard:hasEmail": _id(f"mailto:{dataset.contact_email}"),
    }


def _period(dataset: OpenDataset, me: str) -> Node:
    node: Node = {
        "@id": f"{me}#period",
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": {"@type": "xsd:date", "@value": dataset.covers_from.isoformat()},
    }
    if dataset.covers_to is not None:
        node["dcat:endDate"] = {"@type": "xsd:date", "@value": dataset.covers_to.isoformat()}
    return node


def _place_id(dataset: OpenDataset, url: str) -> str:
    return f"{url}/place/{dataset.place_code}"


def _theme_id(dataset: OpenDataset, url: str) -> str:
    return f"{url}/theme/{dataset.subject}"


def _law_id(basis: LegalBasis, url: str) -> str:
    letters = unicodedata.normalize("NFD", basis.instrument.lower().replace("đ", "d"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return f"{url}/law/{re.sub('[^a-z0-9]+', '-', plain).strip('-')}"


def _law(basis: LegalBasis, url: str) -> Node:
    node: Node = {
        "@id": _law_id(basis, url),
        "@type": "eli:LegalResource",
        "eli:title": _text(basis.instrument, "vi"),
        "eli:first_date_entry_in_force": {"@type": "xsd:date", "@value": basis.valid_from.isoformat()},
    }
    if basis.valid_to is not None:
        node["eli:date_no_longer_in_force"] = {"@type": "xsd:date", "@value": basis.valid_to.isoformat()}
    return node


def _id(iri: str) -> Node:
    return {"@id": iri}


def _ids(iris: Iterable[str]) -> list[Node]:
    return [_id(iri) for iri in iris]


def _text(text: str, language: str) -> Node:
    return {"@language": language, "@value": text}


def _both(vi: str, en: str) -> list[Node]:
    return [_text(vi, "vi"), _text(en, "en")]


def _moment(at: datetime) -> Node:
    return {"@type": "xsd:dateTime", "@value": at.astimezone(settings.TIMEZONE).isoformat()}
