"""`dg scaffold defs orchestration.components.Agency agencies/<name>`: a new agency's folder, filled in.

Belongs here: the text of a first contract that passes `kho contract check`. Stays out: the component.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component

_CONTRACT = """\
# First contract of this agency: edit every value, then run `kho contract check`.
apiVersion: v3.1.0
kind: DataContract
id: {agency}.example
name: Bộ dữ liệu mẫu
version: 0.1.0
status: draft
domain: governance            # the subject it belongs to
tenant: bac-ninh
description:
  purpose: Vì sao tỉnh nhận bộ dữ liệu này.
  usage: Ai dùng, để làm gì.
  limitations: Những điều người dùng cần biết.
servers:
  - server: source
    type: local
    path: ${{KHO_SOURCE_{variable}}}   # the drop folder; set the variable where Kho runs
    format: csv
    customProperties:
      - {{property: kho.glob, value: 'example_{{date}}.csv'}}   # {{date}} is the as-of date as yyyyMMdd
schema:
  - name: example
    physicalName: {agency}__example
    logicalType: object
    dataGranularityDescription: one row per …
    properties:
      - name: code
        physicalName: ma
        businessName: Mã
        description: Code of the …; source (decree or standard)
        logicalType: string
        physicalType: text
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: open
      - name: name
        physicalName: ten
        businessName: Tên
        description: Name of the …; source (decree or standard)
        logicalType: string
        physicalType: text
        required: true
        classification: open
slaProperties:
  - {{property: frequency, value: 1, unit: d}}
  - {{property: latency, value: 26, unit: h}}
  - {{property: retention, value: 30, unit: d}}
team:
  name: Đơn vị chủ quản
  members:
    - {{username: data@{mail}.bacninh.example, role: owner}}
customProperties:
  - {{property: kho.agency, value: {agency}}}
  - {{property: kho.agencyName, value: Đơn vị chủ quản}}
  - {{property: kho.agencyCode, value: H05.99}}
  - property: kho.legalBasis
    value:
      - {{instrument: Nghị định 278/2025/NĐ-CP, validFrom: 2025-10-22}}
  - {{property: kho.delivery, value: snapshot}}
  - {{property: kho.deletions, value: snapshot}}
  - {{property: kho.authoritativeFor, value: [{agency}_example.code, {agency}_example.name]}}
  - {{property: kho.classification, value: shared}}
  - {{property: kho.schedule, value: '01:00 Asia/Ho_Chi_Minh'}}
"""


class AgencyScaffolder(dg.Scaffolder[Any]):
    """Writes defs.yaml and a first contract."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Fill the new agency's folder."""
        agency = request.target_path.name
        scaffold_component(request, {"agency": agency, "retries": 2})
        contract = request.target_path / "example.yaml"
        if not contract.exists():
            text = _CONTRACT.format(agency=agency, variable=agency.upper(), mail=agency.replace("_", "-"))
            contract.write_text(text, encoding="utf-8")
