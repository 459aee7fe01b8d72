"""Text of the options -> DICOM application entities: our AE title, who may call, where results go."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from thyrosight.daemon import is_loopback
from thyrosight.errors import ConfigError

VERIFICATION = "1.2.840.10008.1.1"
"""The SOP class of a C-ECHO."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
"""DICOM PS3.5 6.2, VR AE: at most 16 printable ASCII characters, no backslash; spaces at the ends don't count."""
_DESTINATION = re.compile(r"(?P<title>[^@]+)@(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:@\[\]/]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Destination:
    """The application entity that results are sent to."""

    ae_title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.ae_title}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True)
class AllowedCallers:
    """Peers that may call. ae_titles: their AE titles; empty: any title.

    networks: the networks of their addresses; empty: any address.
    """

    ae_titles: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def may_connect(self, address: str) -> bool:
        """A peer's IP address -> whether its connection is accepted."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.networks)


def read_title(text: str, option: str) -> str:
    """Text of an option -> AE title. ConfigError where it is not one."""
    title = text.strip()
    if not _TITLE.fullmatch(title):
        raise ConfigError(f"{option} {text!r}: an AE title has 1 to 16 printable ASCII characters, and no backslash")
    return title


def read_destination(text: str) -> Destination:
    """`ORTHANC@10.1.2.3:4242`, `PACS@[::1]:104` -> Destination. ConfigError where the text has another form."""
    found = _DESTINATION.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ConfigError(f"--send-to {text!r}: write it as AETITLE@HOST:PORT, for instance ORTHANC@127.0.0.1:4242")
    return Destination(read_title(found["title"], "--send-to"), found["v6"] or found["host"], int(found["port"]))


def callers_for(host: str, titles: Iterable[str], networks: Iterable[str] = ()) -> AllowedCallers:
    """Address to listen on, the options --allow-ae and --allow-from -> AllowedCallers.

    ConfigError where other machines could call and no AE title is named. DICOM has no token, so an AE title that the
    caller must know is the least protection.
    """
    known = tuple(read_title(title, "--allow-ae") for title in titles)
    if not is_loopback(host) and not known:
        raise ConfigError(
            f"--host {host}: other machines could reach it, and DICOM has no token; name every AE title that may send "
            "by --allow-ae, and better use --allow-from and TLS too, or leave out --host"
        )
    return AllowedCallers(known, tuple(_network(text) for text in networks))


def check_no_loop(host: str, port: int, destination: Destination) -> None:
    """ConfigError where results would be sent to the address on which this program listens."""
    is_same_host = destination.host == host or (is_loopback(destination.host) and _takes_loopback(host))
    if port == destination.port and is_same_host:
        raise ConfigError(f"--send-to {destination}: this program listens there; name the PACS")


def _takes_loopback(host: str) -> bool:
    return is_loopback(host) or host in ("0.0.0.0", "::")


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        fix = "write an IP address or a network, for instance 10.1.2.3 or 10.1.2.0/24"
        raise ConfigError(f"--allow-from {text!r}: {fix}") from None
