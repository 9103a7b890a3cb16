"""Which addresses may be reached at all, decided where connections are made.

A name is resolved once for each new connection, every address that it has is checked, and the connection goes
to a checked address: a second answer of the name server changes nothing. Host header and TLS name stay those of
the URL. A connection that is used again leads to the address that was checked.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore2

from aggregates.errors import DomainError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `is_global` alone is not enough: it differs between Python releases and takes translated addresses for public.
REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        "::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 "
        "fe80::/10 fec0::/10 ff00::/8"
    ).split()
)


WEB_PORTS = frozenset({80, 443})
USER_PORTS = 1024
SERVICES = frozenset(
    int(port)
    for port in (
        "1099 1433 1434 1521 2049 2181 2375 2376 2377 2379 2380 3306 3389 4369 5432 5433 5671 5672 5900 5984 5985 5986 "
        "6379 6380 6443 7000 7001 8500 9042 9092 9200 9300 10250 10255 11211 26379 27017 27018 27019"
    ).split()
)
"""From 1024 on, where databases, brokers and machines are looked after, and nobody takes webhooks."""


class Outbound:
    """The guard.

    `allow` lists what an operator opens although it is private: networks, addresses, host names; `ports` those that no
    webhook uses otherwise.
    """

    def __init__(self, allow: Iterable[str] = (), ports: Iterable[int] = ()) -> None:
        self._ports = frozenset(ports)
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        for entry in allow:
            try:
                self._networks.append(ip_network(entry.strip().strip("[]"), strict=False))
            except ValueError:
                self._hosts.add(_name(entry.strip()))

    async def resolve(self, host: str, port: int) -> list[str]:
        """The checked addresses of a host, in the resolver's order.

        Raises `outbound.refused` if any of them is not public, `outbound.port_refused` for a port of another trade,
        OSError if there is none. Decimal, octal and short spellings need no parser of ours: what is checked is what
        the resolver made of them.
        """
        if not self.permits_port(port):
            raise DomainError("outbound.port_refused", details={"port": port})
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(_name(host), port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if _name(host) not in self._hosts:
            for address in addresses:
                if not self.permits(address):
                    raise DomainError("outbound.refused", details={"host": host})
        return addresses

    def permits_port(self, port: int) -> bool:
        """Whether a webhook may go to a port."""
        return port in WEB_PORTS | self._ports or (port >= USER_PORTS and port not in SERVICES)

    def permits(self, address: str) -> bool:
        """Whether a resolved address may be connected to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        plain = _unmapped(parsed)
        if any(plain in network or parsed in network for network in self._networks):
            return True
        # A scope names an interface of this machine.
        scoped = isinstance(parsed, IPv6Address) and parsed.scope_id is not None
        return plain.is_global and not scoped and not any(plain in network for network in REFUSED)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections to checked addresses only."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._outbound.resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("name resolution") from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("name resolution") from error
        return await self._first(addresses, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise DomainError("outbound.refused")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _first(self, addresses: Sequence[str], port: int, *options: Any) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address that answers."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return JoinedWrites(await self._inner.connect_tcp(address, port, *options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class JoinedWrites(httpcore2.AsyncNetworkStream):
    """A connection that sends what was written once the answer is waited for: head and body leave together."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self._written: list[bytes] = []
        self._readable = select.poll()
        self._readable.register(inner.get_extra_info("socket"), select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._written:
            together = b"".join(self._written)
            self._written.clear()
            with suppress(httpcore2.WriteError):  # what was answered before they hung up can still be read
                await self._inner.write(together, timeout)
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written.append(buffer)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return JoinedWrites(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self._inner.aclose()  # nobody else knows of it
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked for each request; the socket is not looked up again for it
            return bool(self._readable.poll(0))
        return self._inner.get_extra_info(info)


def _unmapped(address: Address) -> Address:
    """The IPv4 address inside a mapped IPv6 one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _name(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
