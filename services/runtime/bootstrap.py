"""The one place where objects meet: settings in, the services of one process out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

from concentrate.adapters.v1.adapters_service_pb2_grpc import add_AdaptersServiceServicer_to_server
from concentrate.billing.v1.billing_service_pb2_grpc import add_BillingServiceServicer_to_server
from concentrate.http.v1.chat_http_service_pb2_grpc import add_ChatHttpServiceServicer_to_server
from concentrate.http.v1.http_service_pb2_grpc import add_HttpServiceServicer_to_server
from concentrate.http.v1.management_http_service_pb2_grpc import add_ManagementHttpServiceServicer_to_server
from concentrate.http.v1.messages_http_service_pb2_grpc import add_MessagesHttpServiceServicer_to_server
from concentrate.http.v1.models_http_service_pb2_grpc import add_ModelsHttpServiceServicer_to_server
from concentrate.http.v1.routing_http_service_pb2_grpc import add_RoutingHttpServiceServicer_to_server
from concentrate.models.v1.models_service_pb2_grpc import add_ModelsServiceServicer_to_server
from concentrate.responses.v1.responses_service_pb2_grpc import add_ResponsesServiceServicer_to_server
from concentrate.routing.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server

from services.adapters.remote import RemoteAdapters
from services.adapters.servicer import AdaptersServicer
from services.billing.servicer import BillingServicer
from services.chat.http_service import ChatHttp
from services.explain.http_service import ExplainHttp
from services.explain.typed_service import TypedExplain
from services.generation.generator import Generator
from services.management.http_service import servicer as http_servicer
from services.management.office import Office
from services.management.typed_service import SERVICES, servicer
from services.messages.counting import Counting
from services.messages.http_service import MessagesHttp
from services.models.http_service import ModelsHttp
from services.models.typed_service import Models
from services.ports import KeyRing
from services.responses.counting import Counting as InputCounting
from services.responses.http_service import HttpService
from services.responses.service import Responses
from services.responses.turns import sessions
from services.responses.typed_service import TypedResponses
from services.routing.remote import RemoteRouter
from services.routing.servicer import RoutingServicer
from services.runtime.parts import Parts
from services.runtime.paths import OPENAPI
from services.runtime.service import Service
from services.runtime.settings import Settings
from services.runtime.state import state_services

Role = Literal["gateway", "routing", "adapters", "billing"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@asynccontextmanager
async def build(
    settings: Settings, role: Role = "gateway", folder: Path | None = None
) -> AsyncIterator[Sequence[Service]]:
    """The services of one process; on the way out everything they hold is closed. Raises `SettingsError`.

    role: `gateway` serves the public surfaces, and for each other service uses the object itself or, when it has an
    address, a client of it. `routing`, `adapters` and `billing` serve that one, for gateways that have its address.
    folder: where the workers of one gateway share files while it runs; None: there is only this process.
    """
    async with AsyncExitStack() as stack:
        parts = Parts(settings, stack, folder)
        match role:
            case "gateway":
                parts.share_metrics()
                if not settings.billing_address:
                    await parts.start_billing()  # first, because it is closed last
                services = _public(parts)
                await parts.limiter.start()
                await parts.catalogues.start(discover=True)
                yield services
            case "routing":
                parts.share_metrics()
                routing = partial(add_RoutingServiceServicer_to_server, RoutingServicer(parts.router()))
                await parts.catalogues.start(discover=True)
                yield [Service("concentrate.routing.v1.RoutingService", routing)]
            case "adapters":
                adapters = partial(add_AdaptersServiceServicer_to_server, AdaptersServicer(parts.adapters()))
                await parts.catalogues.start(discover=False)
                yield [Service("concentrate.adapters.v1.AdaptersService", adapters)]
            case "billing":
                billing = partial(add_BillingServiceServicer_to_server, BillingServicer(parts.ledger_meter))
                await parts.start_billing()
                await parts.catalogues.start(discover=False)
                yield [Service("concentrate.billing.v1.BillingService", billing)]


def _public(parts: Parts) -> Sequence[Service]:
    settings = parts.settings
    router = RemoteRouter(parts.channel(settings.routing_address)) if settings.routing_address else parts.router()
    adapters = (
        RemoteAdapters(parts.channel(settings.adapters_address)) if settings.adapters_address else parts.adapters()
    )
    meter = parts.meter()
    generator = Generator(router, parts.failover(adapters), meter, parts.affinity, parts.limiter)
    parts.closing(generator.close)
    responses = Responses(generator)
    keys = parts.keys
    state = parts.state(responses)
    talks, counting = sessions(responses, state.asking, keys), InputCounting(router, parts.counter())
    http = HttpService(responses, state.asking, state.background, counting, keys, OPENAPI, ping_s=settings.ping_seconds)
    chat = ChatHttp(generator, keys, ping_s=settings.ping_seconds)
    typed = TypedResponses(responses, state.asking, state.stored, state.background, state.compaction, keys)
    explain, explain_http = TypedExplain(generator, state.asking, keys), ExplainHttp(generator, state.asking, keys)
    messages = MessagesHttp(generator, Counting(router, parts.counter()), keys, ping_s=settings.ping_seconds)
    library = parts.library()
    models, models_http = Models(library), ModelsHttp(library)
    return [
        Service("concentrate.http.v1.HttpService", partial(add_HttpServiceServicer_to_server, http), talks),
        *_management(parts.office(), keys),
        Service("concentrate.http.v1.ChatHttpService", partial(add_ChatHttpServiceServicer_to_server, chat)),
        Service("concentrate.responses.v1.ResponsesService", partial(add_ResponsesServiceServicer_to_server, typed)),
        Service(
            "concentrate.http.v1.RoutingHttpService", partial(add_RoutingHttpServiceServicer_to_server, explain_http)
        ),
        Service("concentrate.routing.v1.RoutingService", partial(add_RoutingServiceServicer_to_server, explain)),
        Service(
            "concentrate.http.v1.MessagesHttpService", partial(add_MessagesHttpServiceServicer_to_server, messages)
        ),
        *state_services(state, keys, settings.ping_seconds),
        Service("concentrate.http.v1.ModelsHttpService", partial(add_ModelsHttpServiceServicer_to_server, models_http)),
        Service("concentrate.models.v1.ModelsService", partial(add_ModelsServiceServicer_to_server, models)),
    ]


def _management(office: Office, keys: KeyRing) -> Sequence[Service]:
    http = partial(add_ManagementHttpServiceServicer_to_server, http_servicer(office, keys))
    typed = [
        Service(service.full_name, partial(register, servicer(service, base, office, keys)))
        for service, base, register in SERVICES
    ]
    return [Service("concentrate.http.v1.ManagementHttpService", http), *typed]
