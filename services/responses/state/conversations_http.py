"""Conversations over HTTP: `/v1/conversations` and what is below it."""

import msgspec
from concentrate.http.v1 import conversations_http_service_pb2 as pb
from concentrate.http.v1 import conversations_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.ports import KeyRing
from services.responses.state.conversations import Conversations
from services.responses.state.pages import page_asked
from services.surface.credentials import credentials
from services.surface.serving import JSON, Context, read_body
from services.vocabulary.caller import Caller


class ConversationsHttp(conversations_http_service_pb2_grpc.ConversationsHttpServiceServicer):
    """Serves `concentrate.http.v1.ConversationsHttpService`."""

    def __init__(self, conversations: Conversations, keys: KeyRing) -> None:
        self._conversations = conversations
        self._keys = keys

    async def CreateConversation(self, request: HttpBody, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/conversations`."""
        caller = await self._caller(context)
        return _json(await self._conversations.create(caller, read_body(request, context)))

    async def GetConversation(self, request: pb.GetConversationRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/conversations/{conversation_id}`."""
        return _json(await self._conversations.get(await self._caller(context), request.conversation_id))

    async def UpdateConversation(self, request: pb.UpdateConversationRequest, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/conversations/{conversation_id}`."""
        caller, body = await self._caller(context), read_body(request.body, context)
        return _json(await self._conversations.update(caller, request.conversation_id, body))

    async def DeleteConversation(self, request: pb.DeleteConversationRequest, context: Context) -> HttpBody:  # noqa: N802
        """`DELETE /v1/conversations/{conversation_id}`."""
        return _json(await self._conversations.delete(await self._caller(context), request.conversation_id))

    async def ListConversationItems(  # noqa: N802
        self, request: pb.ListConversationItemsRequest, context: Context
    ) -> HttpBody:
        """`GET /v1/conversations/{conversation_id}/items`."""
        caller = await self._caller(context)
        return _json(await self._conversations.items(caller, request.conversation_id, page_asked(request)))

    async def CreateConversationItems(  # noqa: N802
        self, request: pb.CreateConversationItemsRequest, context: Context
    ) -> HttpBody:
        """`POST /v1/conversations/{conversation_id}/items`."""
        caller, body = await self._caller(context), read_body(request.body, context)
        return _json(await self._conversations.add_items(caller, request.conversation_id, body))

    async def GetConversationItem(  # noqa: N802
        self, request: pb.GetConversationItemRequest, context: Context
    ) -> HttpBody:
        """`GET /v1/conversations/{conversation_id}/items/{item_id}`."""
        caller = await self._caller(context)
        item = await self._conversations.item(caller, request.conversation_id, request.item_id)
        return HttpBody(content_type=JSON, data=item)

    async def DeleteConversationItem(  # noqa: N802
        self, request: pb.DeleteConversationItemRequest, context: Context
    ) -> HttpBody:
        """`DELETE /v1/conversations/{conversation_id}/items/{item_id}`."""
        caller = await self._caller(context)
        return _json(await self._conversations.delete_item(caller, request.conversation_id, request.item_id))

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.verify(*credentials(context))


def _json(value: object) -> HttpBody:
    return HttpBody(content_type=JSON, data=msgspec.json.encode(value))
