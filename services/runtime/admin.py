"""What the supervisor asks of Envoy and of the edge: a few HTTP calls, on a unix socket and on the public port."""

import asyncio
import contextlib
import re
import ssl
from pathlib import Path
from typing import Final

HEALTH: Final = "/v1/responses/health"
PROBE: Final = "concentrate-supervisor"
"""Our user agent."""


_COUNTED: Final = ("rq_active", "cx_tx_bytes_buffered", "cx_upgrades_active")
_COUNT: Final = re.compile(rb"^http\.edge\.downstream_(\w+): (\d+)", re.MULTILINE)


class Admin:
    """Envoy's admin interface."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def drain(self) -> None:
        """Closes the port, and asks the clients that are connected to go: `connection: close`, GOAWAY."""
        await self._call("POST", "/healthcheck/fail")
        await self._call("POST", "/drain_listeners")

    async def busy(self) -> bool:
        """Whether clients wait for requests, or have not read all of the answers that were sent.

        WebSockets are requests that end when somebody ends them: the workers send their clients away.
        """
        statistics = await self._call("GET", f"/stats?filter=^http.edge.downstream_({'|'.join(_COUNTED)})$")
        found = {name.decode(): int(count) for name, count in _COUNT.findall(statistics)}
        if len(found) != len(_COUNTED):
            raise ConnectionResetError("no statistics")
        return found["rq_active"] > found["cx_upgrades_active"] or found["cx_tx_bytes_buffered"] > 0

    async def _call(self, method: str, path: str) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        return await _exchange(reader, writer, method, path)


async def connect(socket: Path) -> None:
    """Raises `OSError` unless somebody listens on the unix socket."""
    _, writer = await asyncio.open_unix_connection(socket)
    writer.close()


async def get(host: str, port: int, path: str, *, tls: bool) -> int:
    """Status of a GET on this machine. Raises `OSError` when nobody listens or the answer is none."""
    context = ssl._create_unverified_context() if tls else None  # noqa: S323, SLF001 - we ask ourselves
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    head = (await _exchange(reader, writer, "GET", path)).split(b" ", 2)
    if len(head) < 3 or not head[1].isdigit():
        raise ConnectionResetError("no HTTP answer")
    return int(head[1])


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str) -> bytes:
    """The whole answer as it came, head and (chunked) body."""
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {PROBE}\r\n"
            "connection: close\r\ncontent-length: 0\r\n\r\n".encode()
        )
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
