"""The ledger's client side: appending evidence, exporting the head, verifying the chain.

Belongs here: the HMAC, whose key never enters the database. Stays out: what the evidence is (`kho.evidence` in the database).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.errors import KhoError

if TYPE_CHECKING:
    import psycopg


def _mac(key: bytes, seq: int, at: str, kind: str, subject: str, ref: int, payload_hash: bytes, prev: bytes) -> bytes:
    message = json.dumps(
        [seq, at, kind, subject, ref, payload_hash.hex(), prev.hex()], separators=(",", ":"), ensure_ascii=False
    )
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def append(connection: psycopg.Connection, kind: str, subject: str, ref: int) -> None:
    """Add the evidence (kind, subject, ref) to the chain, in the caller's transaction. Call it last before the commit.

    Only one transaction at a time gets past this point; the deferred foreign keys refuse evidence that was not appended.
    """
    link = connection.execute(
        "select seq, at, payload_hash, prev from kho.ledger_next(%s, %s, %s)", (kind, subject, ref)
    ).fetchone()
    assert link is not None
    seq, at, payload_hash, prev = link
    mac = _mac(settings.ledger_key(), seq, at, kind, subject, ref, payload_hash, prev)
    connection.execute("select kho.ledger_append(%s, %s, %s, %s, %s, %s)", (seq, at, kind, subject, ref, mac))


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link: its number and MAC (hex). seq 0 means an empty ledger."""

    seq: int
    mac: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the chain does not hold."""

    seq: int
    vi: str
    en: str


def verify(connection: psycopg.Connection, anchor: Path | None = None) -> tuple[Head, list[Fault]]:
    """Check every link, every piece of evidence and, with `anchor`, that the exported head is still in the chain.

    A flipped byte in evidence breaks its payload hash; a changed link its MAC; evidence slipped in has no link; a rebuilt chain or a
    cut tail misses the anchor.
    """
    key = settings.ledger_key()
    faults: list[Fault] = []
    prev, last, macs = b"\x00", 0, {}
    rows = connection.execute(
        """select l.seq, to_char(l.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), l.kind, l.subject, l.ref, l.payload_hash, l.prev, l.mac,
                  case when t.kind is not null then kho.evidence(l.kind, l.subject, l.ref) end
             from kho.ledger l left join kho.testimony t on (t.kind, t.subject, t.ref) = (l.kind, l.subject, l.ref) order by l.seq"""
    ).fetchall()
    for seq, at, kind, subject, ref, payload_hash, prev_in_row, mac, evidence in rows:
        if seq != last + 1:
            faults.append(Fault(seq, f"thiếu mắt xích {last + 1}", f"link {last + 1} is missing"))
        if prev_in_row != prev or not hmac.compare_digest(
            mac, _mac(key, seq, at, kind, subject, ref, payload_hash, prev_in_row)
        ):
            faults.append(Fault(seq, "mắt xích đã bị sửa", "the link has been altered"))
        if evidence is None:
            faults.append(
                Fault(seq, f"mất bằng chứng {kind} {subject} {ref}", f"evidence {kind} {subject} {ref} is gone")
            )
        elif evidence != payload_hash:
            faults.append(
                Fault(
                    seq,
                    f"bằng chứng {kind} {subject} {ref} đã bị sửa",
                    f"evidence {kind} {subject} {ref} has been altered",
                )
            )
        prev, last = mac, seq
        macs[seq] = mac.hex()
    unlinked = connection.execute(
        """select t.kind, t.subject, t.ref from kho.testimony t
            where not exists (select from kho.ledger l where (l.kind, l.subject, l.ref) = (t.kind, t.subject, t.ref))"""
    ).fetchall()
    for kind, subject, ref in unlinked:
        faults.append(
            Fault(
                last,
                f"bằng chứng {kind} {subject} {ref} không có trong sổ",
                f"evidence {kind} {subject} {ref} is not in the ledger",
            )
        )
    head = Head(last, prev.hex() if last else "")
    if anchor is not None:
        exported = read_anchor(anchor)
        if exported.seq > last:
            faults.append(Fault(exported.seq, "sổ cái đã bị cắt đuôi", "the tail of the ledger has been cut"))
        elif exported.seq and macs.get(exported.seq) != exported.mac:
            faults.append(Fault(exported.seq, "sổ cái đã bị dựng lại", "the ledger has been rebuilt"))
    return head, faults


def export_anchor(connection: psycopg.Connection, night: str) -> Path:
    """Write the head to `anchors/<night>.json` under KHO_HOME and return the file."""
    row = connection.execute("select seq, encode(mac, 'hex') from kho.ledger order by seq desc limit 1").fetchone()
    seq, mac = row if row else (0, "")
    folder = settings.anchors_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{night}.json"
    path.write_text(json.dumps({"night": night, "seq": seq, "mac": mac}) + "\n", encoding="utf-8")
    return path


def read_anchor(path: Path) -> Head:
    """Read an exported head; KhoError when the file is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Head(int(content["seq"]), str(content["mac"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = type(error).__name__
    raise KhoError(
        "anchor",
        vi=f"không đọc được tệp neo {path} ({reason})",
        en=f"{path} is not an anchor ({reason})",
        where={"file": str(path)},
    )
