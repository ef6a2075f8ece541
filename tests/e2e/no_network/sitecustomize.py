"""A network that ends at this machine, for the processes of a test: any other address is refused and written down."""

from __future__ import annotations

import os
import socket

_connect = socket.socket.connect
_getaddrinfo = socket.getaddrinfo
_LOCAL = ("127.", "::1", "localhost")


def _refuse(where: object) -> None:
    with open(os.environ["KHO_TEST_NETWORK_LOG"], "a") as log:
        log.write(f"{where}\n")
    raise OSError(101, "the network ends here")


def connect(self: socket.socket, address: object) -> None:
    """Connect within the machine only."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOCAL):  # type: ignore[index]
        _refuse(address)
    _connect(self, address)  # type: ignore[arg-type]


def getaddrinfo(host: object, *rest: object, **more: object) -> object:
    """Look up names of this machine only."""
    if host is not None and not str(host).startswith(_LOCAL) and str(host) not in ("", "0.0.0.0", socket.gethostname()):
        _refuse(host)
    return _getaddrinfo(host, *rest, **more)  # type: ignore[arg-type]


socket.socket.connect = connect  # type: ignore[method-assign]
socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
