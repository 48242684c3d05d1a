"""The catalogue of this process: read at the start, and again on SIGHUP or when the operator's file changes.

A new catalogue is made and checked beside the present one, and then everybody is given it in one step of the event loop:
between two lines of Python nobody sees half of it, and calls under way keep what they began with. One that cannot be used
is logged and changes nothing.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from services.adapters.adapter import SANDBOX
from services.adapters.registry import DIALECTS, QuirkError, check_quirks
from services.catalog import catalog as catalogue
from services.catalog.catalog import Catalog
from services.catalog.local import server_row
from services.catalog.reading import CatalogError
from services.runtime.discovery import Discovery
from services.runtime.settings import Settings, SettingsError

WATCH_SECONDS: Final = 2.0

_log = structlog.get_logger("catalog")


def read(settings: Settings) -> Catalog:
    """What this environment can serve. Raises `SettingsError`."""
    try:
        everything = catalogue.load(settings.config)
        for provider in (*everything.providers.values(), *map(server_row, everything.local)):
            check_quirks(provider)
        return everything.configured(settings.environment, own_port=settings.port, dialects={*DIALECTS, SANDBOX})
    except (CatalogError, QuirkError) as error:
        raise SettingsError(str(error)) from error


class Catalogues:
    """The present catalogue, and who is told of the next one. Close it at the end."""

    def __init__(self, settings: Settings, *, watch_s: float = WATCH_SECONDS) -> None:
        """Reads the first one. Raises `SettingsError`."""
        self._settings = settings
        self._watch_s = watch_s
        self.current = read(settings)
        self._seen = _fingerprint(settings.config)
        self._followers: list[Callable[[Catalog], None]] = []
        self._discovery: Discovery | None = None
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, follower: Callable[[Catalog], None]) -> None:
        """Has a part told of every catalogue after the present one."""
        self._followers.append(follower)

    async def start(self, *, discover: bool) -> None:
        """Follows the file and SIGHUP from now on and, with `discover`, servers on this machine whose models are offered too."""
        if discover and self._settings.discover_local == "on":
            self._discovery = Discovery(self.current, self._show, own_port=self._settings.port)
            await self._discovery.start()
        with suppress(RuntimeError, ValueError):  # not in the main thread: signals are somebody else's
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        if self._settings.config is not None:
            self._spawn(self._watch(self._settings.config))

    async def close(self) -> None:
        """Stops following."""
        with suppress(RuntimeError, ValueError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._discovery is not None:
            await self._discovery.close()

    async def reload(self) -> bool:
        """Reads everything again. False: it cannot be used, and nothing has changed."""
        async with self._reloading:
            try:
                fresh = await asyncio.to_thread(read, self._settings)  # a tenth of a second, in which streams go on
            except SettingsError as error:
                _log.error("catalogue not reloaded", error=str(error))
                return False
            if self._discovery is not None:
                self._discovery.rebase(fresh)
            else:
                self._show(fresh)
            _log.info("catalogue reloaded", models=len(self.current.models), providers=len(self.current.providers))
            return True

    def _show(self, catalog: Catalog) -> None:
        self.current = catalog
        for follower in self._followers:
            follower(catalog)

    def _hang_up(self) -> None:
        self._spawn(self._reload())

    async def _reload(self) -> None:
        await self.reload()

    async def _watch(self, file: Path) -> None:
        while True:
            await asyncio.sleep(self._watch_s)
            now = _fingerprint(file)
            if now != self._seen:
                self._seen = now
                await self.reload()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _fingerprint(file: Path | None) -> tuple[int, int, int] | None:
    """What tells versions of a file apart; None when there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
