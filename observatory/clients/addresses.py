"""Which addresses a target may be reached at: that depends on who gave us its URL.

A name is looked up once for a connection and every address it has is checked. What connects is given those addresses
and never the name, so a name that answers otherwise the second time (DNS rebinding) is not asked a second time.
"""

from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from observatory import config
from observatory.clients.resolver import Resolve, spelled
from observatory.errors import TargetError
from observatory.model import Cause, Origin, Target

Address: TypeAlias = IPv4Address | IPv6Address

OPERATORS = {Origin.ENVIRONMENT, Origin.FILE, Origin.DISCOVERED, Origin.SIMULATOR, Origin.BUILTIN}
PUBLIC, PRIVATE = "public", "private"
NAME_SHOWN = 80  # characters of a host's name in a sentence about it

# The first network that holds an address says what it is, and what none holds is public. After IANA's registries of
# special-purpose addresses, and what the clouds document of where they give out credentials.
SPECIAL = [
    (ip_network(network), what)
    for what, networks in (
        ("metadata", "169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::/32 fd20:ce::254"),
        ("metadata", "fd00:c1::a9fe:a9fe fd00:42::42 fd00:a9fe:a9fe::1 fd00:100::100:200"),
        ("link-local", "169.254.0.0/16 fe80::/10"),
        (PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8 fc00::/7 ::1"),
        ("multicast", "224.0.0.0/4 ff00::/8"),
        ("reserved", "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24"),
        ("reserved", "203.0.113.0/24 240.0.0.0/4 2001::/23 2001:db8::/32 3fff::/20 ::/3 4000::/2 8000::/1"),
    )
    for network in networks.split()
]
NAT64 = ip_network("64:ff9b::/96")
OURS = [ip_network(network) for network in ("127.0.0.1", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


class Rule(Enum):
    """Where a URL may lead."""

    ANY = "anywhere: it was set by whoever runs us"
    PUBLIC = "to public addresses: it was given by an administrator"
    PRIVATE_TOO = "to private addresses too: the same, and the setting allows it"
    LOCAL = "to localhost or an address of a private network: it was found in a project"


def rule_of(target: Target, *, private: bool = False) -> Rule:
    """The rule for a target. `private` is the setting: those of administrators may lie in private networks."""
    if target.origin in OPERATORS:
        return Rule.ANY
    if target.origin is Origin.PROJECT:
        return Rule.LOCAL
    return Rule.PRIVATE_TOO if private else Rule.PUBLIC


def url_fault(url: str, rule: Rule) -> str:
    """What is wrong with a URL that somebody gave us, as a sentence; "" when nothing is.

    No name is looked up here, so where a name leads is told by the first reading.
    """
    try:
        config.address(url, ("http", "https", "ws", "wss") if rule is Rule.LOCAL else ("http", "https"))
        checked(urlsplit(url).hostname or "", rule, lambda _host, _seconds: (), None)
    except UnicodeError:
        return "The URL names a host that cannot be one."
    except ValueError as fault:
        return f"The URL {fault}."
    except TargetError as refusal:
        return refusal.detail
    return ""


def checked(host: str, rule: Rule, resolve: Resolve, seconds: float | None) -> Sequence[str]:
    """The addresses of `host`, in the resolver's order, every one of them allowed by `rule`.

    Raises TargetError, rejected and permanent, when one is not; and what `resolve` raises.
    """
    found = spelled(host)
    if rule is Rule.LOCAL and not found and host != "localhost":
        raise rejected(host, "is neither localhost nor an address of a private network")
    found = found or resolve(host, seconds)
    for text in found:
        fault = objection(ip_address(text), rule)
        if fault:
            raise rejected(host, f"is {fault}" if text == host else f"leads to {text}, {fault}")
    return found


def objection(address: Address, rule: Rule) -> str:
    """What speaks against connecting to `address`, to follow a comma; "" when nothing does."""
    if rule is Rule.ANY:
        return ""
    if rule is Rule.LOCAL:
        return "" if any(address in network for network in OURS) else "an address of no private network"
    what = kind_of(reached(address))
    if what == PUBLIC or (what == PRIVATE and rule is Rule.PRIVATE_TOO):
        return ""
    if what == PRIVATE:
        return "a private address; targets there need OBSERVATORY_PRIVATE_TARGETS"
    return f"a {what} address, where nothing is read"


def reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), or else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def kind_of(address: Address) -> str:
    return next((what for network, what in SPECIAL if address in network), PUBLIC)


def rejected(host: str, why: str) -> TargetError:
    return TargetError(Cause.REJECTED, f"{host[:NAME_SHOWN]} {why}.", permanent=True)
