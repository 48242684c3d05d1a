"""One grpc.aio server on a unix socket (or an address, for a service apart): health, reflection, limits, graceful stop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime.interceptors import ErrorInterceptor
from services.runtime.journal import Journal

MESSAGE_BYTES_MAX: Final = 64 << 20  # the edge stops at 32 MiB; base64 and JSON may grow on the way back

LAST_WORDS_SECONDS: Final = 1.5

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", 96 << 10),  # the edge lets 64 KiB of headers pass and adds its own
    ("grpc.absolute_max_metadata_size", 128 << 10),
    ("grpc.so_reuseport", 0),
    # Requests that came while the event loop was busy. Above 1000 grpc would refuse some of them, above 3000 all.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
)

Register = Callable[[grpc.aio.Server], None]


class Server:
    """Serves what `registrations` add, plus health and reflection. `names`: full names of the services."""

    def __init__(
        self, registrations: Sequence[Register], names: Sequence[str], *, journal: Journal | None = None
    ) -> None:
        self._interceptor = ErrorInterceptor(journal)
        self._server = grpc.aio.server(interceptors=(self._interceptor,), options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._names = names
        # grpc.aio has a task wait for each registered method, and looks at all of them for each request: an eighth of its cost.
        # Without them it asks the generic handlers, which each service adds as well.
        self._server.add_registered_method_handlers = _not_one_by_one  # type: ignore[method-assign]
        for register in registrations:
            register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*names, health.SERVICE_NAME, reflection.SERVICE_NAME),
            self._server,
        )

    async def start(self, address: str) -> None:
        """Listens on `unix:PATH` or `HOST:PORT` and reports SERVING. Raises `RuntimeError` when it cannot."""
        self._server.add_insecure_port(address)
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Reports NOT_SERVING, takes no new call, and gives the accepted ones `grace` seconds to finish.

        Those that are cut off then still have a moment to clean up: to settle what was used, to abort the provider.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
        if self._interceptor.handling:
            await asyncio.wait(self._interceptor.handling, timeout=LAST_WORDS_SECONDS)


def _not_one_by_one(service_name: str, method_handlers: object) -> None:
    """In the place of grpc's own: registers nothing."""
