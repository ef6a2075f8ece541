"""Messages of the X-Road message protocol 4.0: what a request says, responses, faults, the description of the services.

Belongs here: SOAP and WSDL as text. Stays out: rows (`store`), HTTP and faults on the wire (`xroad`).

Document/literal wrapped: the element of a request is called as the service is, that of a response has `Response` behind
it. The header fields are client, service, id, userId, issue and protocolVersion; a response repeats them as they came
and adds requestHash, the SHA-512 of the request's bytes.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XROAD, IDENTIFIERS = "http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/identifiers"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
PROTOCOL = "4.0"
MANDATORY = ("client", "service", "id", "protocolVersion")
FIELDS = ("client", "service", "id", "userId", "issue", "protocolVersion")
PARTS = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode", "serviceVersion")


@dataclass(frozen=True)
class Identifier:
    """A client or a service; the last two are empty for a client."""

    instance: str
    member_class: str
    member: str
    subsystem: str
    service: str = ""
    version: str = ""

    def __str__(self) -> str:
        kind = "SERVICE" if self.service else "SUBSYSTEM" if self.subsystem else "MEMBER"
        return f"{kind}:{'/'.join(part for part in self.values if part)}"

    @property
    def values(self) -> tuple[str, ...]:
        """In the order of `PARTS`."""
        return (self.instance, self.member_class, self.member, self.subsystem, self.service, self.version)


@dataclass(frozen=True)
class Request:
    """One request. `header`: its text, to be repeated; `hash`: of its bytes; `values`: of the service's parameters."""

    client: Identifier
    service: Identifier
    id: str
    user: str
    header: str
    hash: str
    operation: str
    values: Mapping[str, str]


class Refused(Exception):
    """A request that ends in a SOAP fault. `code` without Client or Server in front means the one who asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_request(content: bytes) -> Request:
    """Understand a request; `Refused` where a security server would."""
    try:
        envelope = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        raise Refused("Client.InvalidSoap", "Malformed SOAP message") from None
    if envelope.tag != f"{{{SOAP}}}Envelope":
        raise Refused("Client.InvalidSoap", "Malformed SOAP message: not an envelope of SOAP 1.1")
    header = envelope.find(f"{{{SOAP}}}Header")
    if header is None:
        raise Refused("Client.MissingHeader", "Malformed SOAP message: header missing")
    found = {child.tag.removeprefix(f"{{{XROAD}}}"): child for child in header if child.tag.startswith(f"{{{XROAD}}}")}
    if missing := [name for name in MANDATORY if name not in found]:
        raise Refused("Client.MissingHeaderField", f"Malformed SOAP message: header field missing: {missing[0]}")
    if (version := (found["protocolVersion"].text or "").strip()) != PROTOCOL:
        raise Refused("Client.InvalidProtocolVersion", f"Invalid protocol version: {version}")
    body = envelope.find(f"{{{SOAP}}}Body")
    if body is None or not len(body):
        raise Refused("Client.MissingBody", "Malformed SOAP message: body missing")
    operation, service = body[0].tag.rpartition("}")[2], _identifier(found["service"])
    if operation != service.service:
        raise Refused("Client.InvalidBody", f"Body element {operation} is not the service code {service.service}")
    return Request(
        client=_identifier(found["client"]),
        service=service,
        id=(found["id"].text or "").strip(),
        user=(found["userId"].text or "").strip() if "userId" in found else "",
        header="".join(_header_field(child) for child in header if child.tag.startswith(f"{{{XROAD}}}")),
        hash=base64.b64encode(hashlib.sha512(content).digest()).decode(),
        operation=operation,
        values={child.tag.rpartition("}")[2]: (child.text or "").strip() for child in body[0]},
    )


def response(request: Request, namespace: str, scalars: Mapping[str, str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The answer to a request: values first, then one `BanGhi` a row."""
    values = "".join(f"<tns:{name}>{escape(value)}</tns:{name}>" for name, value in scalars.items())
    records = "".join(f"<tns:BanGhi>{_fields(row)}</tns:BanGhi>" for row in rows)
    name = f"tns:{request.operation}Response"
    fields = f'{request.header}<xrd:requestHash algorithmId="{SHA512}">{request.hash}</xrd:requestHash>'
    return _envelope(f'<{name} xmlns:tns="{namespace}">{values}<tns:DanhSach>{records}</tns:DanhSach></{name}>', fields)


def fault(code: str, message: str) -> bytes:
    """A technical fault, as a security server reports it."""
    detail = f'<xrd:faultDetail xmlns:xrd="{XROAD}">{uuid.uuid4()}</xrd:faultDetail>'
    return _envelope(
        f"<SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>{escape(message)}</faultstring>"
        f"<faultactor></faultactor><detail>{detail}</detail></SOAP-ENV:Fault>"
    )


def wsdl(namespace: str, address: str, services: Mapping[str, tuple[str, Sequence[str]]], version: str) -> bytes:
    """The description of the services: code -> title and columns."""
    parameters = "".join(
        f'<xs:element name="{name}" type="xs:string" minOccurs="0"/>'
        for name in ("TuNgay", "DenNgay", "Trang", "KichThuoc")
    )
    scalars = "".join(f'<xs:element name="{n}" type="xs:string"/>' for n in ("MaLoi", "ThongBao", "TongSo", "Trang"))
    types, messages, ports, bindings = "", "", "", ""
    headers = "".join(f'<soap:header message="tns:requestHeader" part="{field}" use="literal"/>' for field in FIELDS)
    for code, (title, columns) in services.items():
        fields = "".join(f'<xs:element name="{name}" type="xs:string"/>' for name in columns)
        types += (
            f'<xs:element name="{code}"><xs:complexType><xs:sequence>{parameters}</xs:sequence></xs:complexType></xs:element>'
            f'<xs:element name="{code}Response"><xs:complexType><xs:sequence>{scalars}<xs:element name="DanhSach">'
            '<xs:complexType><xs:sequence><xs:element name="BanGhi" minOccurs="0" maxOccurs="unbounded">'
            f"<xs:complexType><xs:sequence>{fields}</xs:sequence></xs:complexType></xs:element></xs:sequence>"
            "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>"
        )
        for name in (code, f"{code}Response"):
            messages += (
                f'<wsdl:message name="{name}"><wsdl:part name="parameters" element="tns:{name}"/></wsdl:message>'
            )
        ports += (
            f'<wsdl:operation name="{code}"><wsdl:documentation><xrd:title>{escape(title)}</xrd:title></wsdl:documentation>'
            f'<wsdl:input message="tns:{code}"/><wsdl:output message="tns:{code}Response"/></wsdl:operation>'
        )
        body = f'<soap:body parts="parameters" use="literal"/>{headers}'
        bindings += (
            f'<wsdl:operation name="{code}"><soap:operation soapAction="" style="document"/>'
            f"<xrd:version>{version}</xrd:version><wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output>"
            "</wsdl:operation>"
        )
    header = "".join(f'<wsdl:part name="{field}" element="xrd:{field}"/>' for field in FIELDS)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<wsdl:definitions targetNamespace="{namespace}" xmlns:tns="{namespace}" xmlns:xrd="{XROAD}"'
        f' xmlns:id="{IDENTIFIERS}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"'
        ' xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f"<wsdl:types>{_IDENTIFIER_SCHEMA}{_XROAD_SCHEMA}"
        f'<xs:schema targetNamespace="{namespace}" elementFormDefault="qualified">{types}</xs:schema></wsdl:types>'
        f'{messages}<wsdl:message name="requestHeader">{header}</wsdl:message>'
        f'<wsdl:portType name="port">{ports}</wsdl:portType>'
        '<wsdl:binding name="binding" type="tns:port">'
        f'<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}</wsdl:binding>'
        f'<wsdl:service name="service"><wsdl:port name="port" binding="tns:binding"><soap:address location="{address}"/>'
        "</wsdl:port></wsdl:service></wsdl:definitions>\n"
    ).encode()


_IDENTIFIER_SCHEMA = (
    f'<xs:schema targetNamespace="{IDENTIFIERS}" elementFormDefault="qualified"><xs:complexType name="identifier">'
    "<xs:sequence>"
    + "".join(f'<xs:element name="{part}" type="xs:string" minOccurs="0"/>' for part in PARTS)
    + f'</xs:sequence><xs:attribute ref="id:objectType" use="required" xmlns:id="{IDENTIFIERS}"/></xs:complexType>'
    '<xs:attribute name="objectType" type="xs:string"/></xs:schema>'
)
_XROAD_SCHEMA = (
    f'<xs:schema targetNamespace="{XROAD}" elementFormDefault="qualified"><xs:import namespace="{IDENTIFIERS}"/>'
    + "".join(f'<xs:element name="{f}" type="id:identifier"/>' for f in ("client", "service"))
    + "".join(f'<xs:element name="{f}" type="xs:string"/>' for f in ("id", "userId", "issue", "protocolVersion"))
    + '<xs:element name="version" type="xs:string"/><xs:element name="title" type="xs:string"/></xs:schema>'
)


def _envelope(body: str, header: str = "") -> bytes:
    head = f"<SOAP-ENV:Header>{header}</SOAP-ENV:Header>" if header else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}" xmlns:xrd="{XROAD}" xmlns:id="{IDENTIFIERS}">'
        f"{head}<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
    ).encode()


def _identifier(element: ElementTree.Element) -> Identifier:
    found = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
    return Identifier(*(found.get(part, "") for part in PARTS))


def _header_field(element: ElementTree.Element) -> str:
    """A field of the header as it came, under our prefixes."""
    name = element.tag.rpartition("}")[2]
    kind = element.get(f"{{{IDENTIFIERS}}}objectType")
    attribute = f' id:objectType="{escape(kind)}"' if kind else ""
    inner = "".join(
        f"<id:{part.tag.rpartition('}')[2]}>{escape(part.text or '')}</id:{part.tag.rpartition('}')[2]}>"
        for part in element
    )
    return f"<xrd:{name}{attribute}>{inner or escape(element.text or '')}</xrd:{name}>"


def _fields(row: Mapping[str, str]) -> str:
    return "".join(f"<tns:{name}>{escape(value)}</tns:{name}>" for name, value in row.items())
