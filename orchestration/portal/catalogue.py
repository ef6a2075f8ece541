"""The catalogue of open data as DCAT-AP 3 in JSON-LD, for harvesters.

Belongs here: classes and properties, identifiers, deterministic bytes. Stays out: what a dataset is called (its version says so) and
what was published (the database). Only the version to take is told of; the one before is named in its `metadata.json`. Every
identifier lies under KHO_PORTAL_URL; that of a dataset stays from version to version, those of its files do not.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.portal import files, metadata, record
from orchestration.portal.declaration import EU
from orchestration.portal.metadata import identifier, version_identifier
from orchestration.portal.model import FORMATS, File, Version
from orchestration.warehouse import connect

NAME = "catalog.jsonld"
#: What its lock and its staging folder are called; no dataset may have this name.
AREA = "catalogue"
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
    "spdx:algorithm": "spdx:ChecksumAlgorithm",
}
_LABELS = {
    _LOCAL_AUTHORITY: ("Cơ quan địa phương", "Local authority"),
    _STABLE: ("Ổn định", "Stable"),
    f"{EU}/data-theme": ("Lĩnh vực dữ liệu (EU)", "Data theme (EU)"),
}
Node = dict[str, Any]


def write_catalogue() -> Path:
    """Write `catalog.jsonld` of every dataset that readers can take, held ones included; the file is touched only when it changes.

    It repeats what each version says of itself, so it cannot tell anything else than the files do, and it needs no declaration.
    """
    path = settings.portal_folder() / NAME
    failure: KhoError
    try:
        with connect("release", autocommit=True) as connection, record.alone(connection, AREA):
            files.tidy(AREA, ())
            files.write_if_changed(path, catalogue_bytes(record.versions(connection), settings.portal_url()), AREA)
        return path
    except OSError as error:
        failure = files.disk_error(error)
    raise failure


def is_current(known: Mapping[str, Sequence[Version]]) -> bool:
    """Whether the catalogue tells of the versions that are to be taken."""
    path = settings.portal_folder() / NAME
    return path.is_file() and path.read_bytes() == catalogue_bytes(known, settings.portal_url())


def catalogue_bytes(known: Mapping[str, Sequence[Version]], url: str) -> bytes:
    """The catalogue of these versions: the same ones give the same bytes."""
    listed = [found for name in sorted(known) if (found := metadata.current(known[name])) is not None]
    nodes: dict[str, Node] = {}
    for version, said in listed:
        for node in _dataset(said, version, url):
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


def _catalogue(listed: Sequence[tuple[Version, Node]], url: str) -> Node:
    node: Node = {
        "@id": f"{url}/{NAME}#catalogue",
        "@type": "dcat:Catalog",
        "dct:title": _both(*TITLE),
        "dct:description": _both(*DESCRIPTION),
        "dct:language": _ids([f"{EU}/language/VIE", f"{EU}/language/ENG"]),
        "dcat:themeTaxonomy": _id(f"{EU}/data-theme"),
        "dcat:dataset": _ids(identifier(url, version.dataset) for version, _ in listed),
    }
    if listed:
        node |= {
            "dct:publisher": _id(_agent_id(listed[0][1]["publisher"], url)),
            "dct:issued": _moment(min(version.first_published_at for version, _ in listed)),
            "dct:modified": _moment(max(version.published_at for version, _ in listed)),
            "dct:spatial": _ids(sorted({_place_id(said, url) for _, said in listed})),
        }
    return node


def _dataset(said: Node, version: Version, url: str) -> list[Node]:
    """The dataset, as the version to take says of itself, and everything it points to."""
    me = identifier(url, version.dataset)
    theme, place, coverage = said["subject"], said["coverage"]["place"], said["coverage"]
    dataset: Node = {
        "@id": me,
        "@type": "dcat:Dataset",
        "dct:identifier": me,
        "dct:title": _texts(said["title"]),
        "dct:description": _texts(said["description"]),
        "dct:publisher": _id(_agent_id(said["publisher"], url)),
        "dct:creator": _id(_agent_id(said["creator"], url)),
        "dcat:contactPoint": _id(f"{me}#contact"),
        "dcat:theme": _ids([theme["eu"], f"{url}/theme/{theme['kho']}"]),
        "dcat:keyword": [_text(word, language) for language in ("vi", "en") for word in said["keywords"][language]],
        "dct:accessRights": _id(_PUBLIC),
        "dct:accrualPeriodicity": _id(said["frequency"]),
        "dct:language": _ids(said["languages"]),
        "dct:spatial": _id(_place_id(said, url)),
        "dct:temporal": _id(f"{me}#period"),
        "dcatap:applicableLegislation": _ids(_law_id(basis, url) for basis in said["legal_basis"]),
        "dcat:version": str(version.version),
        "dct:issued": _moment(version.first_published_at),
        "dct:modified": _moment(version.published_at),
        "dcat:distribution": _ids(
            _distribution_id(version, file, url) for file in version.files if file.name in FORMATS
        ),
    }
    return [
        dataset,
        *_distributions(said, version, url),
        *(_agent(said[role], url) for role in ("creator", "publisher")),
        *(_law(basis, url) for basis in said["legal_basis"]),
        {"@id": f"{me}#contact", "@type": ["vcard:Kind", "vcard:Organization"], "vcard:fn": said["contact"]["name"],
         "vcard:hasEmail": _id(f"mailto:{said['contact']['email']}")},
        {"@id": f"{me}#period", "@type": "dct:PeriodOfTime",
         **_days("dcat:startDate", coverage["from"], "dcat:endDate", coverage["to"])},
        {"@id": _place_id(said, url), "@type": "dct:Location", "dct:identifier": place["code"], "skos:prefLabel": _texts(place)},
        {"@id": f"{url}/theme/{theme['kho']}", "@type": "skos:Concept", "skos:prefLabel": _text(theme["vi"], "vi"),
         "skos:broadMatch": _id(theme["eu"])},
        {"@id": theme["eu"], "@type": "skos:Concept", "skos:prefLabel": _text(theme["vi"], "vi")},
    ]  # fmt: skip


def _distribution_id(version: Version, file: File, url: str) -> str:
    return f"{version_identifier(url, version.dataset, version.version)}#{FORMATS[file.name][0].lower()}"


def _distributions(said: Node, version: Version, url: str) -> list[Node]:
    mine = version_identifier(url, version.dataset, version.version)
    found = []
    for file in version.files:
        if file.name not in FORMATS:
            continue
        name, media_type, file_type = FORMATS[file.name]
        distribution = _distribution_id(version, file, url)
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
                "dct:title": _both(*(f"{said['title'][language]} ({name})" for language in ("vi", "en"))),
                "dct:description": _both(f"Toàn bộ dữ liệu ở dạng {name}.", f"All of the data as {name}."),
                "dcat:accessURL": _id(f"{mine}/{file.name}"),
                "dcat:downloadURL": _id(f"{mine}/{file.name}"),
                "dcat:mediaType": _id(f"{_IANA}/{media_type}"),
                "dct:format": _id(f"{EU}/file-type/{file_type}"),
                "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(file.bytes)},
                "spdx:checksum": _id(checksum["@id"]),
                "dct:license": _id(said["licence"]),
                "dct:language": _ids(said["languages"]),
                "dcatap:availability": _id(_STABLE),
                "dct:issued": _moment(version.published_at),
                "dct:modified": _moment(version.published_at),
            },
        ]
    return found


def _agent_id(body: Node, url: str) -> str:
    return f"{url}/agent/{body['code']}"


def _agent(body: Node, url: str) -> Node:
    return {
        "@id": _agent_id(body, url),
        "@type": "foaf:Agent",
        "foaf:name": _texts(body),
        "dct:identifier": body["code"],
        "dct:type": _id(_LOCAL_AUTHORITY),
    }


def _place_id(said: Node, url: str) -> str:
    """A place by its code and the day since when the code means it: codes are used again."""
    place = said["coverage"]["place"]
    return f"{url}/place/{place['code']}/{place['valid_from']}"


def _law_id(basis: Node, url: str) -> str:
    letters = unicodedata.normalize("NFD", basis["instrument"].lower().replace("đ", "d"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return f"{url}/law/{re.sub('[^a-z0-9]+', '-', plain).strip('-')}"


def _law(basis: Node, url: str) -> Node:
    in_force = ("eli:first_date_entry_in_force", basis["valid_from"], "eli:date_no_longer_in_force", basis["valid_to"])
    return {
        "@id": _law_id(basis, url),
        "@type": "eli:LegalResource",
        "eli:title": _text(basis["instrument"], "vi"),
        **_days(*in_force),
    }


def _days(first: str, start: str, last: str, end: str | None) -> Node:
    """Two properties that are days, the second perhaps absent."""
    return {name: {"@type": "xsd:date", "@value": day} for name, day in ((first, start), (last, end)) if day}


def _id(iri: str) -> Node:
    return {"@id": iri}


def _ids(iris: Iterable[str]) -> list[Node]:
    return [_id(iri) for iri in iris]


def _text(text: str, language: str) -> Node:
    return {"@language": language, "@value": text}


def _texts(said: Node) -> list[Node]:
    return [_text(said[language], language) for language in ("vi", "en")]


def _both(vi: str, en: str) -> list[Node]:
    return [_text(vi, "vi"), _text(en, "en")]


def _moment(at: datetime) -> Node:
    return {"@type": "xsd:dateTime", "@value": at.astimezone(settings.TIMEZONE).isoformat()}
