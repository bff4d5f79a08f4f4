"""Which IP addresses are public, by IANA's special-purpose registries."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

NOT_PUBLIC_NETWORKS = [
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
    )
]
_GLOBAL_UNICAST = ip_network("2000::/3")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is public, or a documentation address (RFC 5737, RFC 3849) that stands for one.

    For IPv4: all but the private, shared, loopback, link-local, protocol, benchmarking, multicast and reserved blocks
    of IANA's special-purpose registry. For IPv6: the global unicast block 2000::/3; an IPv4-mapped address is treated
    as IPv4. The blocks are listed here because ``ipaddress.is_global`` differs between versions of Python.
    """
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return is_public(mapped) if mapped is not None else address in _GLOBAL_UNICAST
    return not any(address in block for block in NOT_PUBLIC_NETWORKS)
