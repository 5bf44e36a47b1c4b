# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and endpoints as an inventory writes them: what is wrong with one, and how it is right. Pure functions."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, Union

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
API_PORT = "6443"
UNSUPPORTED = "since IPv6, alone or beside IPv4, is not supported yet"

# Addresses by which no other host reaches one (RFC 6890), and why.
_NOT_REACHED = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/32", "an address that stands for any"),
        ("0.0.0.0/8", "an address that no host has"),
        ("127.0.0.0/8", "an address by which every host reaches itself alone"),
        ("169.254.0.0/16", "an address that holds on one link alone"),
        ("224.0.0.0/4", "an address of many hosts (multicast)"),
        ("255.255.255.255/32", "an address of all hosts (broadcast)"),
        ("240.0.0.0/4", "a reserved address"),
    )
)

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Mistake(NamedTuple):
    """Why a text is not what it should be, and how it is written right (empty: nobody knows)."""

    reason: str
    right: str


def as_network(text: object) -> Network | None:
    """The IPv4 or IPv6 network that *text* means, None when it means none."""
    try:
        return ipaddress.ip_network(str(text), strict=True)
    except ValueError:
        return None


def as_address(text: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that *text* is, None when it is none."""
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def why_not_reached(address: object, loopback: bool = False) -> str:
    """Why no other host reaches one by this IPv4 address; empty where it does. *loopback*: a host itself is meant."""
    known = as_address(address)
    for network, reason in _NOT_REACHED:
        if known is not None and known in network and not (loopback and network.is_loopback):
            return reason
    return ""


def overlap(one: Network | None, other: Network | None) -> bool:
    return one is not None and other is not None and one.version == other.version and one.overlaps(other)


def is_ipv6(text: object) -> bool:
    """Whether a text means, or was meant to be, an IPv6 address or network, or has one in a list."""
    return any(part.count(":") > 1 for part in str(text).split(","))


def network_mistake(text: object) -> Mistake | None:
    """What keeps a text from being an IPv4 network in CIDR form. None: nothing."""
    written = str(text)
    if is_ipv6(written):
        return Mistake("IPv6", "")
    try:
        network = ipaddress.ip_network(written, strict=False)
    except ValueError:
        return Mistake("not a network", "")
    address, slash, prefix = written.partition("/")
    if not slash:
        return Mistake("no prefix", "")
    if not prefix.isdigit():
        return Mistake("a mask where a prefix is meant", str(network))
    if as_network(written) is None:
        return Mistake(f"address bits behind the prefix: {address} is no network's first address", str(network))
    return None


def _host_mistake(host: str, loopback: bool = False) -> Mistake | None:
    """What keeps a text from being a DNS name or an IPv4 address, as kubeadm takes it (RFC 1123, lower case).

    *loopback*: it may be the host itself.
    """
    if not host:
        return Mistake("no host", "")
    if as_address(host) is not None:
        reason = why_not_reached(host, loopback)
        return Mistake(reason, "") if reason else None
    right = host.lower().rstrip(".")
    labels = right.split(".")
    # RFC 6761, and what distributions write into /etc/hosts.
    if (labels[-1] == "localhost" or right == "localhost.localdomain") and not loopback:
        return Mistake(f"{host}, a name by which every host reaches itself alone", "")
    if labels[-1].isdigit():
        return Mistake(f"{host} is neither an IPv4 address nor a name", "")
    if "_" in right:
        return Mistake(f"an underscore, which no host name has, in {host}", "")
    if len(right) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        return Mistake(f"{host} is neither a DNS name nor an IPv4 address", "")
    if right == host:
        return None
    return Mistake("capital letters" if right == host.lower() else "a dot at the end", right)


def _port_mistake(port: str, default: str) -> Mistake | None:
    if not (port.isascii() and port.isdigit()):
        return Mistake(f"port {port} is no number", default)
    if not 1 <= int(port) <= 65535:
        return Mistake(f"port {port} is not between 1 and 65535", default)
    return Mistake("a port that begins with 0", str(int(port))) if port.startswith("0") else None


def endpoint_mistake(text: str) -> Mistake | None:
    """What keeps a text from being host:port, of a DNS name or an IPv4 address. None: nothing."""
    reasons = []
    rest = text.strip()
    if rest != text:
        reasons.append("blanks around it")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", rest)
    if scheme:
        reasons.append(f"a scheme ({scheme.group()})")
        rest = rest[scheme.end() :]
    path = re.search(r"[/?#]", rest)
    if path:
        tail, rest = rest[path.start() :], rest[: path.start()]
        reasons.append("a slash at the end" if tail == "/" else f"a path ({tail})")
    if rest.startswith("[") or is_ipv6(rest):
        return Mistake("IPv6", "")
    host, colon, port = rest.partition(":")
    known = True
    for part, mistake in (
        ("host", _host_mistake(host)),
        ("port", _port_mistake(port, API_PORT) if colon and port else Mistake("no port", API_PORT)),
    ):
        if mistake is None:
            continue
        reasons.append(mistake.reason)
        known = known and bool(mistake.right)
        if part == "host":
            host = mistake.right
        else:
            port = mistake.right
    if not reasons:
        return None
    return Mistake(", ".join(reasons), f"{host}:{port}" if known else "")


def url_mistake(text: str) -> Mistake | None:
    """What keeps a text from being the address of a mirror: https://host or https://host:port, no slash at its end."""
    rest = text.strip()
    reasons = ["blanks around it"] if rest != text else []
    scheme = re.match(r"(?i)https?://", rest)
    if not scheme:
        # Nothing, or that of something else.
        reasons.append("no https://")
        rest = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", rest)
    start = scheme.group() if scheme else "https://"
    rest = rest.removeprefix(start) if scheme else rest
    place, slash, path = rest.partition("/")
    if place.startswith("[") or is_ipv6(place):
        return Mistake("IPv6", "")
    host, colon, port = place.partition(":")
    # Each host may have a way of its own to the mirror; that it answers is looked at from there.
    wrong = _host_mistake(host.lower(), loopback=True)
    if wrong:
        return Mistake(", ".join([*reasons, wrong.reason]), "")
    wrong = _port_mistake(port, "") if colon else None
    if wrong:
        return Mistake(", ".join([*reasons, wrong.reason]), "")
    if slash and rest.endswith("/"):
        reasons.append("a slash at the end")
    if not reasons:
        return None
    return Mistake(", ".join(reasons), f"{start}{place}{slash}{path}".rstrip("/"))
