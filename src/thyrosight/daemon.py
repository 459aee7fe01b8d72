"""A host's name or address -> is it this machine alone; known to everything that listens or calls."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """`127.0.0.1`, `::1`, `localhost` -> True: only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
