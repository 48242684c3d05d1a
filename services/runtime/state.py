"""What outlives a request, as these settings want it kept."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from concentrate.http.v1.conversations_http_service_pb2_grpc import add_ConversationsHttpServiceServicer_to_server
from concentrate.http.v1.stored_http_service_pb2_grpc import add_StoredHttpServiceServicer_to_server
from concentrate.responses.v1.conversations_service_pb2_grpc import add_ConversationsServiceServicer_to_server

from services.ports import KeyRing
from services.responses.service import Responses
from services.responses.state.asking import Asking
from services.responses.state.background import Background
from services.responses.state.compaction import Compaction
from services.responses.state.conversations import Conversations
from services.responses.state.conversations_http import ConversationsHttp
from services.responses.state.conversations_typed import TypedConversations
from services.responses.state.http_service import StoredHttp
from services.responses.state.stored import Stored
from services.responses.state.summaries import Summaries
from services.runtime.keys import encryption_keys
from services.runtime.service import Service
from services.runtime.settings import Settings
from services.storage.database import Database
from services.storage.sealing import Sealer
from services.store.store import DAY_S, Store


class State(NamedTuple):
    """The objects around one store."""

    asking: Asking
    stored: Stored
    background: Background
    conversations: Conversations
    compaction: Compaction


def state_of(settings: Settings, database: Database, responses: Responses) -> State:
    """Stored responses, work in the background (not started), and conversations."""
    sealer = Sealer(encryption_keys(settings))
    store, summaries = Store(database, sealer, retention_s=settings.store_days * DAY_S), Summaries(sealer)
    asking, stored = Asking(store, summaries), Stored(store)
    background = Background(
        responses,
        asking,
        stored,
        store,
        lease_s=settings.background_lease_seconds,
        grace_s=settings.drain_seconds,
    )
    compaction = Compaction(responses, asking, summaries, settings.compaction_model)
    if settings.compaction_model is not None:
        asking.condense = compaction.condense
    return State(asking, stored, background, Conversations(store), compaction)


def state_services(state: State, keys: KeyRing, ping_s: float) -> Sequence[Service]:
    """The services that give access to what was kept."""
    stored = StoredHttp(state.stored, state.compaction, keys, ping_s=ping_s)
    conversations = ConversationsHttp(state.conversations, keys)
    typed = TypedConversations(state.conversations, keys)
    return [
        Service("concentrate.http.v1.StoredHttpService", partial(add_StoredHttpServiceServicer_to_server, stored)),
        Service(
            "concentrate.http.v1.ConversationsHttpService",
            partial(add_ConversationsHttpServiceServicer_to_server, conversations),
        ),
        Service(
            "concentrate.responses.v1.ConversationsService",
            partial(add_ConversationsServiceServicer_to_server, typed),
        ),
    ]
