"""The one place where objects meet: settings in, the services of one worker out."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from concentrate.http.v1.http_service_pb2_grpc import add_HttpServiceServicer_to_server

from services.adapters.adapter import Adapter
from services.adapters.credentials import EnvironmentCredentials
from services.adapters.remote import RemoteAdapters
from services.billing.meter import PricingMeter
from services.billing.pricing import Pricing
from services.billing.remote import RemoteMeter
from services.catalog.catalog import Catalog, load
from services.keys.keyring import SqliteKeyRing
from services.ports import Adapters, Meter, Router
from services.responses.http_service import HttpService
from services.responses.service import Responses
from services.routing.remote import RemoteRouter
from services.routing.router import CatalogRouter
from services.runtime.settings import Settings
from services.wire.http import Http, Timeouts

OPENAPI: Final = Path(__file__).resolve().parents[2] / "gen" / "openapi.json"


@dataclass(frozen=True)
class Service:
    """A gRPC service: its full name, and what adds it to a server."""

    name: str
    register: Callable[[grpc.aio.Server], None]


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Service]]:
    """The services of one worker, ready to be served; on the way out everything they hold is closed."""
    catalog = load(settings.config).configured(settings.environment, own_port=settings.port)
    async with AsyncExitStack() as stack:
        responses = Responses(
            await router(settings, catalog, stack),
            await adapters(settings, catalog, stack),
            await meter(settings, catalog, stack),
        )
        keys = SqliteKeyRing(settings.data_dir)
        http = HttpService(responses, keys, OPENAPI, ping_s=settings.ping_seconds)
        yield [
            Service("concentrate.http.v1.HttpService", lambda server: add_HttpServiceServicer_to_server(http, server)),
        ]


async def router(settings: Settings, catalog: Catalog, stack: AsyncExitStack) -> Router:
    """Routing: here, or at its address."""
    if settings.routing_address is not None:
        return RemoteRouter(await _channel(settings.routing_address, stack))
    return CatalogRouter(catalog, unlisted=settings.unlisted_models == "allow")


async def adapters(settings: Settings, catalog: Catalog, stack: AsyncExitStack) -> Adapters:
    """Adapters: here, with their pool of connections, or at their address."""
    if settings.adapters_address is not None:
        return RemoteAdapters(await _channel(settings.adapters_address, stack))
    http = Http(
        Timeouts(
            settings.upstream_connect_seconds, settings.upstream_first_byte_seconds, settings.upstream_idle_seconds
        )
    )
    stack.push_async_callback(http.close)
    return Adapter(http, EnvironmentCredentials(catalog.providers, settings.environment))


async def meter(settings: Settings, catalog: Catalog, stack: AsyncExitStack) -> Meter:
    """Billing: here, or at its address."""
    if settings.billing_address is not None:
        return RemoteMeter(await _channel(settings.billing_address, stack))
    return PricingMeter(Pricing(catalog.prices))


async def _channel(address: str, stack: AsyncExitStack) -> grpc.aio.Channel:
    return await stack.enter_async_context(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS))


CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
)
