"""Looks for model servers on this machine, at the start and every half minute, and tells who routes by what it finds."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.catalog.catalog import Catalog
from services.catalog.local import ITSELF, LOCAL, Found, LocalModel, base_url, read_list
from services.catalog.schema import LocalServer
from services.wire.http import ConnectionFailed, Http, TimedOut, Timeouts

START_SECONDS_MAX: Final = 0.3  # `ready` waits for this
PATIENCE_SECONDS: Final = 5.0  # later nobody waits, and a machine that is generating may be slow to answer
INTERVAL_SECONDS: Final = 30.0
LIST_BYTES_MAX: Final = 1 << 20

_log = structlog.get_logger("discovery")


class Discovery:
    """Keeps the catalogue in step with the servers of its `local` rows. Close it at the end."""

    def __init__(
        self,
        catalog: Catalog,
        changed: Callable[[Catalog], None],
        *,
        own_port: int,
        interval_s: float = INTERVAL_SECONDS,
    ) -> None:
        """`changed` is given every new catalogue. `own_port` is the gateway's, where nothing is looked for."""
        self._catalog = catalog
        self._changed = changed
        self._own_port = own_port
        self._servers = self._looked_for(catalog)
        self._interval_s = interval_s
        self._http = Http(Timeouts(connect=PATIENCE_SECONDS, first_byte=PATIENCE_SECONDS), lambda *_: None)
        self._known: dict[str, Sequence[LocalModel]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Looks once, briefly, and from then on in the background."""
        if self._servers:
            await self.look(START_SECONDS_MAX)
            self._task = asyncio.create_task(self._run())

    def rebase(self, catalog: Catalog) -> None:
        """Goes on from another catalogue, with what was found last."""
        self._catalog, self._servers = catalog, self._looked_for(catalog)
        self._offer()
        if self._servers and self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stops looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.close()

    async def look(self, patience_s: float) -> None:
        """Asks all servers at once. One that is silent for `patience_s` seconds is taken to be as it was."""
        servers = self._servers  # they may be others when the answers are there
        answers = await asyncio.gather(*(self._ask(server, patience_s) for server in servers))
        known = {server.id: models for server, models in zip(servers, answers, strict=True) if models}
        if known == self._known:
            return
        if known or self._known:
            _log.info("local models", **{server: len(models) for server, models in known.items()})
        self._known = known
        self._offer()

    def _looked_for(self, catalog: Catalog) -> list[LocalServer]:
        """None when somebody has a provider of that name, who has taken it."""
        own = catalog.provider(LOCAL.id) is not None
        return [] if own else [server for server in catalog.local if server.port != self._own_port]

    def _offer(self) -> None:
        known = self._known or {}
        found = [Found(server, known[server.id]) for server in self._servers if server.id in known]
        self._changed(self._catalog.with_local(found))

    async def _run(self) -> None:
        while True:
            try:
                await self.look(PATIENCE_SECONDS)
            except Exception:  # noqa: BLE001 - whatever answers on those ports, looking goes on
                _log.exception("looking for local models failed")
            await asyncio.sleep(self._interval_s)

    async def _ask(self, server: LocalServer, patience_s: float) -> Sequence[LocalModel]:
        try:
            async with (
                asyncio.timeout(patience_s),
                self._http.send("GET", f"{base_url(server)}/models", {"accept": "application/json"}, b"") as response,
            ):
                if response.status != 200 or response.headers.get("server") == ITSELF:
                    return ()
                body = b""
                async for chunk in response.chunks():
                    body += chunk
                    if len(body) > LIST_BYTES_MAX:
                        return ()
                return read_list(server, body)
        except ConnectionFailed:
            return ()
        except (TimedOut, TimeoutError):
            return (self._known or {}).get(server.id, ())
