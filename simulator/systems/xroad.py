"""SOAP services behind X-Road security servers: rows of a range of days, page by page.

Belongs here: which member offers what, who may ask, ranges and pages. Stays out: the messages (`xroad_messages`), rows on
disk (`store`), HTTP and its faults (`web`).

    GET  {base}/{agency}?wsdl      the description of an agency's services
    POST {base}/{agency}           a request; parameters TuNgay and DenNgay (yyyyMMdd, both included; none: open), Trang
                                   from 1, KichThuoc up to 500
    GET  {base}/__record           what was asked and answered so far

Technical errors are SOAP faults with HTTP 500; what the service itself refuses has a `MaLoi` that is not 00.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.gateway import Answer, not_found
from simulator.systems.plan import FaultPlan, Kind
from simulator.systems.source import Progress, View, changes_of
from simulator.systems.store import Store
from simulator.systems.web import Call, Web, WebSystem
from simulator.systems.xroad_messages import Identifier, Refused, Request, fault, read_request, response, wsdl

INSTANCE, CLASS, VERSION = "VN", "GOV", "v1"
CLIENT = Identifier(INSTANCE, CLASS, "H05", "kho-du-lieu")
MAX_PAGE = 500
_XML = "text/xml; charset=UTF-8"
_DAY = re.compile(r"\d{8}")


class SecurityServer(Web):
    """The security server of the agencies and the services behind it."""

    system = "xroad"
    api = "/xroad/4.0"

    def __init__(self, record: Path, plan: FaultPlan) -> None:
        super().__init__(record, plan)
        self.services: dict[str, dict[str, Store]] = {}  # agency -> service code -> rows

    def namespace(self, agency: str) -> str:
        """Of an agency's messages."""
        return f"http://{agency.replace('_', '-')}.bacninh.x-road.vn"

    def service(self, agency: str, code: str) -> Identifier:
        """How a service is called."""
        return Identifier(INSTANCE, CLASS, "H05", agency, code, VERSION)

    def answer(self, call: Call) -> Answer:
        """A description, a response, or a fault."""
        agency = call.path.strip("/")
        services = self.services.get(agency)
        if services is None:
            return not_found()
        if call.method == "GET":
            if "wsdl" not in {name.lower() for name in call.query}:
                return self._fault("Client.InvalidHttpMethod", "Must use POST request method instead of GET")
            described = {code: (s.view.title_vi, [c.name for c in s.view.columns]) for code, s in services.items()}
            return Answer(200, wsdl(self.namespace(agency), f"{self.base}/{agency}", described, VERSION), _XML)
        try:
            if "xml" not in call.headers.get("Content-Type", ""):
                raise Refused("Client.InvalidContentType", "Could not get content type from request")
            request = read_request(call.body)
            store = self._allowed(agency, services, request)
        except Refused as refused:
            return self._fault(refused.code, str(refused))
        struck = self.strike()
        if refusal := self.refusal(struck):
            return refusal
        if struck == "service_failed":
            return self._fault("Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 503", struck)
        return self._respond(agency, store, request, struck)

    def _allowed(self, agency: str, services: dict[str, Store], request: Request) -> Store:
        if request.client.instance != INSTANCE or request.client.member_class != CLASS:
            raise Refused("Server.ClientProxy.UnknownMember", f"Client '{request.client}' not found")
        if request.client != CLIENT:
            raise Refused("Server.ServerProxy.AccessDenied", f"Request is not allowed: {request.service}")
        if request.service.service not in services or request.service != self.service(agency, request.service.service):
            raise Refused("Server.ServerProxy.UnknownService", f"Unknown service: {request.service}")
        return services[request.service.service]

    def _respond(self, agency: str, store: Store, request: Request, struck: Kind | None) -> Answer:
        namespace = self.namespace(agency)
        values = request.values
        number, size = values.get("Trang") or "1", values.get("KichThuoc") or str(MAX_PAGE)
        first, last = values.get("TuNgay") or "00000000", values.get("DenNgay") or "99991231"
        right = all(_DAY.fullmatch(day) for day in (first, last)) and number.isdigit() and size.isdigit()
        code, text = "00", "Thành công"
        if struck == "error_code":
            code, text = "99", "Hệ thống đang bận, vui lòng thử lại sau"
        elif not right or int(number) < 1 or not 1 <= int(size) <= MAX_PAGE:
            code, text = "01", "Tham số không hợp lệ"
        elif store.cursor is None and (values.get("TuNgay") or values.get("DenNgay")):
            code, text = "02", "Dịch vụ không hỗ trợ tham số TuNgay, DenNgay"
        found = store.find(int(first) * 1_000_000, int(last) * 1_000_000 + 235_959) if code == "00" else range(0)
        rows = store.rows(found[(int(number) - 1) * int(size) : int(number) * int(size)]) if found else []
        scalars = {"MaLoi": code, "ThongBao": text, "TongSo": str(len(found)), "Trang": number}
        body = response(request, namespace, scalars, rows)
        return Answer(200, body, _XML, fault=struck, records=len(rows))

    def _fault(self, code: str, message: str, struck: Kind | None = None) -> Answer:
        return Answer(500, fault(code, message), _XML, fault=struck)


class XRoad(WebSystem):
    """The views of the system `xroad`: the place of each is the code of a service of its agency's subsystem."""

    name = "xroad"

    def __init__(
        self, home: Path, views: Sequence[View], plan: FaultPlan, record: Path, progress: Progress | None = None
    ) -> None:
        super().__init__(home, views, progress)
        self.web: SecurityServer = SecurityServer(record, plan)
        self._stores = {view.id: Store(home, view) for view in self.views}

    def load(self, province: Any, day: int) -> None:
        """Every service with what there is; all carry on together."""
        for view in self.views:
            for rows in self._stores[view.id].load(view.batches(province, day)):
                self.told(view, rows)
        agencies = {view.agency for view in self.views}
        self.web.services = {
            agency: {view.place: self._stores[view.id] for view in self.views if view.agency == agency}
            for agency in sorted(agencies)
        }

    def advance(self, province: Any, day: int) -> None:
        """Replace what changed."""
        for view in self.views:
            self.told(view, self._stores[view.id].update(changes_of(view, province, day)))

    @property
    def env(self) -> dict[str, Any]:
        """Agency -> address, description, who asks, and what it offers."""
        names = ("instance", "class", "member", "subsystem", "service", "version")
        return {
            agency: {
                "url": f"{self.web.base}/{agency}",
                "wsdl": f"{self.web.base}/{agency}?wsdl",
                "client": dict(zip(names[:4], CLIENT.values[:4], strict=True)),
                "services": {
                    view.id: dict(zip(names, self.web.service(agency, view.place).values, strict=True))
                    for view in self.views
                    if view.agency == agency
                },
            }
            for agency in sorted({view.agency for view in self.views})
        }
