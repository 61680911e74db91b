"""Which network addresses are public: the IANA special-purpose registries, written out.

`ipaddress.is_private` and `is_global` are not enough: on Python 3.11 both are wrong for carrier NAT, for cloud metadata services
and for most IPv6 addresses that carry an IPv4 address inside. Everything special is refused here, also what the registry calls
reachable.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier NAT, also some clouds' metadata (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # Azure's wire server: a public number that only answers inside
        "169.254.0.0/16",  # link-local, most clouds' metadata (RFC 3927)
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved and broadcast (RFC 1112, RFC 919)
    )
)
"""IPv4 networks that are never asked."""

GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
"""The one part of IPv6 in use for the public network (RFC 4291). It leaves out loopback, mapped and compatible IPv4 (::/96,
::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), SRv6 (5f00::/16), private (fc00::/7), link-local
(fe80::/10), site-local (fec0::/10) and multicast (ff00::/8)."""

SPECIAL_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, carries an IPv4 address (RFC 3056)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Networks inside `GLOBAL_UNICAST_V6` that are never asked."""

_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Upper half of an interface identifier that carries an IPv4 address (RFC 5214)."""


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public network: no special-purpose range, no IPv6 that carries an IPv4."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    if address not in GLOBAL_UNICAST_V6 or any(address in network for network in SPECIAL_V6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
