"""One worker process: `python -m services.runtime.worker --address unix:PATH`. Settings come from the environment."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
import uvloop

from services.runtime import bootstrap, logs, settings
from services.runtime.exits import EXIT_CONFIGURATION
from services.runtime.journal import Journal
from services.runtime.paths import beside
from services.runtime.server import Server
from services.runtime.service import Service
from services.runtime.sockets import Sockets

_UNIX: Final = "unix:"

_log = structlog.get_logger("worker")


def run(address: str, role: bootstrap.Role) -> None:
    """Serves until SIGTERM; a second one ends the grace. Exit code 78: the configuration cannot be used."""
    try:
        configuration = settings.read(os.environ)
        logs.configure(configuration.log_level, configuration.log_format, os.environ.items())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(configuration, address, role))
    except settings.SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_CONFIGURATION)


def main() -> None:
    """What the supervisor starts. With `-` everything is loaded by now, and the address comes when a worker is needed."""
    parser = argparse.ArgumentParser(prog="worker", description=__doc__)
    parser.add_argument("--address", required=True, help="unix:PATH, HOST:PORT, or - to wait for it on stdin")
    parser.add_argument("--role", choices=bootstrap.ROLES, default="gateway", help="what it serves")
    arguments = parser.parse_args()
    address = sys.stdin.readline().strip() if arguments.address == "-" else arguments.address
    if address:  # else nobody needs us any more
        run(address, arguments.role)


async def _serve(configuration: settings.Settings, address: str, role: bootstrap.Role) -> None:
    signals = asyncio.Semaphore(0)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.release)
    socket = Path(address.removeprefix(_UNIX)) if address.startswith(_UNIX) else None
    async with bootstrap.build(configuration, role, socket.parent if socket else None) as services:
        server = Server(
            [each.register for each in services],
            [each.name for each in services],
            journal=Journal(socket) if socket else None,
        )
        sockets = await _sockets(socket, services)
        gc.collect()
        gc.freeze()  # code, catalogue and prices stay: looking through them again stops every stream for 50 ms
        try:
            await server.start(address)
        except RuntimeError as error:
            raise settings.SettingsError(f"Cannot listen on {address}.") from error
        _log.debug("serving", address=address)
        await signals.acquire()
        grace = configuration.drain_seconds
        stopping = asyncio.create_task(_stop(server, sockets, grace))
        again = asyncio.create_task(signals.acquire())
        await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        for each in sockets:
            each.cut()
        await server.stop(0)
        await stopping


async def _stop(server: Server, sockets: Sequence[Sockets], grace: float) -> None:
    await asyncio.gather(server.stop(grace), *(each.stop(grace) for each in sockets))


async def _sockets(beside_socket: Path | None, services: Sequence[Service]) -> Sequence[Sockets]:
    """Takes WebSockets where a service has something to say on them. Before gRPC, whose answer means that all is ready."""
    made = [Sockets(each.sessions) for each in services if each.sessions is not None]
    if beside_socket is None:
        return ()
    for each in made:
        await each.start(beside(beside_socket))
    return made


if __name__ == "__main__":
    main()
