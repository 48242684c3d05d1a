"""Fetching what a client's URL names, without becoming its way into private networks.

The address that is connected to must be public, whatever name or notation led to it: it is looked at where the socket is made, so
nothing can read it differently in between. A redirect is a new URL. Size and time are limited. The environment's proxies are not
used: they would resolve the name again.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

Address = IPv4Address | IPv6Address

BYTES_MAX: Final = 20 << 20
SECONDS_MAX: Final = 15.0
REDIRECTS_MAX: Final = 3

_TRANSLATED: Final = ip_network("64:ff9b::/96")
_UNICAST: Final = ip_network("2000::/3")
_DOCUMENTATION: Final = ip_network("3fff::/20")
# Not private by name, but not the same host for everybody: clouds answer their machines there (Oracle, Azure), and relays.
_PER_NETWORK: Final = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32", "192.88.99.0/24")))
_PIECE: Final = 64 << 10


class FetchFailed(Exception):
    """The message is for the client, and says nothing of the network it was tried from."""


def is_public(address: Address) -> bool:
    """Whether everybody reaches the same host at it: no private, local or reserved network, also not in a wrapping."""
    if isinstance(address, IPv6Address):
        for wrapped in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
            if wrapped is not None:
                return is_public(wrapped)
        if address in _TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST or address in _DOCUMENTATION:
            return False
    elif any(address in network for network in _PER_NETWORK):
        return False
    return address.is_global and not address.is_multicast


class Fetcher:
    """`allowed`: which addresses may be asked."""

    def __init__(
        self,
        *,
        allowed: Callable[[Address], bool] = is_public,
        bytes_max: int = BYTES_MAX,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        self._allowed = allowed
        self._bytes_max = bytes_max
        self._seconds_max = seconds_max

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Media type (empty where the server says none) and content. Raises `FetchFailed`."""
        connector = aiohttp.TCPConnector(socket_factory=self._socket, use_dns_cache=False, force_close=True)
        try:
            async with (
                asyncio.timeout(self._seconds_max),
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ) as session,
            ):
                for _ in range(REDIRECTS_MAX + 1):
                    parts = urlsplit(url)
                    if parts.scheme not in ("http", "https") or not parts.hostname:
                        raise FetchFailed("only http and https are fetched")
                    async with session.get(url, allow_redirects=False) as response:
                        if response.status in (301, 302, 303, 307, 308) and (to := response.headers.get("location")):
                            url = urljoin(url, to)
                            continue
                        if response.status != 200:
                            raise FetchFailed(f"it answers with status {response.status}")
                        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                        return media_type, await self._content(response)
                raise FetchFailed(f"it redirects more than {REDIRECTS_MAX} times")
        except TimeoutError:
            raise FetchFailed(f"it did not answer within {self._seconds_max:g} seconds") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if isinstance(error.__cause__, _NotAllowed):
                raise FetchFailed("its address is not a public one") from None
            raise FetchFailed("it cannot be reached") from None

    def _socket(self, target: aiohttp.AddrInfoType) -> socket.socket:
        """For a connection to this address, which is one as numbers. Raises `_NotAllowed`."""
        family, kind, protocol, _, where = target
        try:
            allowed = self._allowed(ip_address(where[0].partition("%")[0]))
        except ValueError:
            allowed = False
        if not allowed:
            raise _NotAllowed
        return socket.socket(family, kind, protocol)

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_chunked(_PIECE):
            size += len(piece)
            if size > self._bytes_max:
                raise FetchFailed(f"it is larger than {self._bytes_max >> 20} MiB")
            pieces.append(piece)
        return b"".join(pieces)


class _NotAllowed(OSError):
    pass
