"""Messages of the X-Road message protocol 4.0: a request as bytes, an answer taken apart.

Purpose: SOAP document/literal without a SOAP library. Belongs here: identifiers, envelopes, headers, faults, the proof that
an answer belongs to its request. Stays out: HTTP and retries (`wire`), which page to ask for (`xroad`).
lxml is imported when used. Documents with a DTD are refused, entities are never resolved.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from orchestration.errors import KhoError
from orchestration.sources.wire import Again

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XROAD, IDENTIFIERS = "http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/identifiers"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
PROTOCOL = "4.0"
PARTS = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode", "serviceVersion")
#: What no later call mends by itself: somebody must grant a right or correct a contract. Beside these all `Client.` codes.
_FOR_GOOD = frozenset(
    {"AccessDenied", "UnknownMember", "UnknownService", "InvalidProtocolVersion", "InvalidServiceType"}
)


@dataclass(frozen=True)
class Parties:
    """Who asks for what: the parts of both identifiers in the order of PARTS."""

    client: tuple[str, ...]
    service: tuple[str, ...]

    @property
    def code(self) -> str:
        """Code of the service, which names its messages."""
        return self.service[4]


@dataclass(frozen=True)
class Answer:
    """Body of an answer: its single values, and its records with all values as texts."""

    values: Mapping[str, str]
    records: list[dict[str, Any]]


def parties(client: str, service: str, address: str) -> Parties:
    """From `instance/class/member/subsystem` and `instance/class/member/subsystem/code[/version]`.

    A service given as `code[/version]` is one of the client's own member, in the subsystem that ends the address.
    """
    asking, asked = client.split("/"), service.split("/")
    if len(asked) <= 2:
        asked = [*asking[:3], urlsplit(address).path.rstrip("/").rpartition("/")[2], *asked]
    if len(asking) != 4 or len(asked) not in (5, 6) or not all(asking + asked):
        raise KhoError(
            "source_address",
            "client phải là instance/class/member/subsystem, service thêm /mã dịch vụ và có thể /phiên bản",
            "client must be instance/class/member/subsystem, service the same with /code and perhaps /version",
            {"rule": "xroad"},
        )
    return Parties(tuple(asking), tuple(asked))


def request(between: Parties, number: str, namespace: str, values: Mapping[str, str]) -> bytes:
    """One request, numbered. The element of its body is called as the service is."""
    body = "".join(f"<srv:{name}>{escape(value)}</srv:{name}>" for name, value in values.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:xrd="{XROAD}" xmlns:id="{IDENTIFIERS}" xmlns:srv={quoteattr(namespace)}>'
        f"<soap:Header>{_identifier('client', 'SUBSYSTEM', between.client)}"
        f"{_identifier('service', 'SERVICE', between.service)}"
        f"<xrd:id>{escape(number)}</xrd:id><xrd:protocolVersion>{PROTOCOL}</xrd:protocolVersion></soap:Header>"
        f"<soap:Body><srv:{between.code}>{body}</srv:{between.code}></soap:Body></soap:Envelope>"
    ).encode()


def answer(body: bytes, sent: bytes, between: Parties, number: str, where: str) -> Answer:
    """The answer to `sent`, whose number was `number`. A SOAP fault is KhoError, or Again where a later call may succeed.

    An answer to another question, or none of this protocol, is Again: a proxy mixed things up, or it was cut.
    """
    root = _parsed(body, where)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Again("envelope")
    content = root.find(f"{{{SOAP}}}Body")
    if content is None or not len(content):
        raise Again("envelope")
    if content[0].tag == f"{{{SOAP}}}Fault":
        raise _fault(content[0].findtext("faultcode") or "", where)
    _prove(root.find(f"{{{SOAP}}}Header"), sent, between, number)
    if _local(content[0].tag) != f"{between.code}Response":
        raise Again("envelope")
    values, records = {}, []
    for child in content[0].iterchildren("*"):
        if len(child):
            records += [{_local(f.tag): f.text or "" for f in one.iterchildren("*")} for one in child.iterchildren("*")]
        else:
            values[_local(child.tag)] = (child.text or "").strip()
    return Answer(values, records)


def described(wsdl: bytes, code: str, where: str) -> tuple[str, tuple[str, ...]]:
    """(namespace of the messages, names of a record's fields) of a service by its description. KhoError when it is not there."""
    root = _parsed(wsdl, where)
    schemas = "{http://www.w3.org/2001/XMLSchema}"
    for schema in root.iter(f"{schemas}schema"):
        for element in schema.iterchildren(f"{schemas}element"):
            if element.get("name") == f"{code}Response":
                lists = [e for e in element.iter(f"{schemas}element") if e.get("maxOccurs") == "unbounded"]
                fields = [e.get("name") or "" for one in lists[:1] for e in one.iterdescendants(f"{schemas}element")]
                return schema.get("targetNamespace") or "", tuple(fields)
    raise KhoError(
        "service_refused",
        f"{where}: mô tả WSDL không có dịch vụ {code}",
        f"{where}: the WSDL does not describe the service {code}",
        {"file": where, "rule": "wsdl"},
    )


def _parsed(body: bytes, where: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    root = None
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise Again("body")
    if root.getroottree().docinfo.doctype:
        raise KhoError(
            "protocol", f"{where}: XML có DTD", f"{where}: the XML has a DTD", {"file": where, "rule": "dtd"}
        )
    return root


def _prove(header: Any, sent: bytes, between: Parties, number: str) -> None:
    """The answer must repeat who asked for what under which number, and the hash of the request's bytes."""
    if header is None:
        raise Again("header")
    proof = header.find(f"{{{XROAD}}}requestHash")
    found = {
        name: tuple((part.text or "").strip() for part in element.iterchildren("*"))
        for name in ("client", "service")
        if (element := header.find(f"{{{XROAD}}}{name}")) is not None
    }
    if proof is None or proof.get("algorithmId") != SHA512:
        raise Again("requestHash")
    if (proof.text or "").strip() != base64.b64encode(hashlib.sha512(sent).digest()).decode():
        raise Again("requestHash")
    if (header.findtext(f"{{{XROAD}}}id") or "").strip() != number:
        raise Again("id")
    if found != {"client": between.client, "service": between.service}:
        raise Again("header")


def _fault(code: str, where: str) -> KhoError | Again:
    """A fault of the provider's side or of the network may pass; what a right or a name is missing for may not."""
    shown = code.strip().rpartition(":")[2]
    shown = shown if re.fullmatch(r"[A-Za-z][\w.]{0,100}", shown) else "?"
    parts = shown.split(".")
    if parts[0] == "Server" and not _FOR_GOOD.intersection(parts):
        return Again(shown)
    return KhoError(
        "service_refused",
        f"{where}: máy chủ an ninh từ chối yêu cầu ({shown})",
        f"{where}: the security server refused the request ({shown})",
        {"file": where, "rule": shown},
    )


def _identifier(name: str, kind: str, values: tuple[str, ...]) -> str:
    parts = "".join(
        f"<id:{part}>{escape(value)}</id:{part}>" for part, value in zip(PARTS, values, strict=False) if value
    )
    return f'<xrd:{name} id:objectType="{kind}">{parts}</xrd:{name}>'


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
