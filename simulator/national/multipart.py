"""Forms with files, as a browser or curl -F sends them (RFC 7578).

Belongs here: taking a body of the type multipart/form-data apart. Stays out: what the parts mean (each system).
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

TYPE = "multipart/form-data"


@dataclass(frozen=True)
class Part:
    """One field of a form. `file`: the name of its file, None for a plain value; `type`: as the sender says."""

    name: str
    content: bytes
    file: str | None = None
    type: str = "text/plain"

    @property
    def text(self) -> str:
        """The content as text; bytes that are no UTF-8 are replaced."""
        return self.content.decode(errors="replace")


def parts(headers: Message, body: bytes) -> list[Part] | None:
    """The fields of a form in their order; None when the body is none, or is cut off before its end."""
    boundary = headers.get_boundary()
    if headers.get_content_type() != TYPE or not boundary:
        return None
    _, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not sections or not sections[-1].startswith(b"--"):
        return None
    found = [_part(section) for section in sections[:-1]]
    return [part for part in found if part is not None] if all(found) else None


def _part(section: bytes) -> Part | None:
    head, gap, content = section.partition(b"\r\n\r\n")
    told = Message()
    for line in head.decode(errors="replace").split("\r\n"):
        header, _, value = line.partition(":")
        if value:
            told[header.strip()] = value.strip()
    name, file = told.get_param("name", header="content-disposition"), told.get_filename()
    if not gap or not isinstance(name, str):
        return None
    return Part(name, content, file, told.get_content_type() if "content-type" in told else "text/plain")
