"""Conversations for gRPC clients, on the same objects as the JSON surface."""

from typing import Any, TypeVar

import grpc
import msgspec
from concentrate.responses.v1 import conversations_service_pb2 as pb
from concentrate.responses.v1 import conversations_service_pb2_grpc, item_pb2
from google.protobuf.message import Message

from services.ports import KeyRing
from services.responses.state.conversations import Conversations
from services.responses.state.pages import page_asked
from services.responses.typed_answer import answer
from services.responses.typed_request import json_of
from services.surface.credentials import credentials
from services.vocabulary.caller import Caller

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


class TypedConversations(conversations_service_pb2_grpc.ConversationsServiceServicer):
    """Serves `concentrate.responses.v1.ConversationsService`."""

    def __init__(self, conversations: Conversations, keys: KeyRing) -> None:
        self._conversations = conversations
        self._keys = keys

    async def CreateConversation(self, request: pb.CreateConversationRequest, context: Context) -> pb.Conversation:  # noqa: N802
        """Creates a conversation."""
        caller = await self._caller(context)
        return _said(pb.Conversation(), await self._conversations.create(caller, json_of(request)))

    async def GetConversation(self, request: pb.GetConversationRequest, context: Context) -> pb.Conversation:  # noqa: N802
        """Gets a conversation."""
        caller = await self._caller(context)
        return _said(pb.Conversation(), await self._conversations.get(caller, request.conversation_id))

    async def UpdateConversation(self, request: pb.UpdateConversationRequest, context: Context) -> pb.Conversation:  # noqa: N802
        """Sets the metadata."""
        caller, body = await self._caller(context), msgspec.json.encode({"metadata": dict(request.metadata)})
        return _said(pb.Conversation(), await self._conversations.update(caller, request.conversation_id, body))

    async def DeleteConversation(  # noqa: N802
        self, request: pb.DeleteConversationRequest, context: Context
    ) -> pb.DeleteConversationResponse:
        """Deletes a conversation and its items."""
        gone = await self._conversations.delete(await self._caller(context), request.conversation_id)
        return _said(pb.DeleteConversationResponse(), gone)

    async def ListConversationItems(  # noqa: N802
        self, request: pb.ListConversationItemsRequest, context: Context
    ) -> pb.ListConversationItemsResponse:
        """A piece of the items."""
        caller = await self._caller(context)
        listed = await self._conversations.items(caller, request.conversation_id, page_asked(request))
        return _said(pb.ListConversationItemsResponse(), listed)

    async def CreateConversationItems(  # noqa: N802
        self, request: pb.CreateConversationItemsRequest, context: Context
    ) -> pb.CreateConversationItemsResponse:
        """Adds items."""
        caller = await self._caller(context)
        added = await self._conversations.add_items(caller, request.conversation_id, json_of(request))
        return _said(pb.CreateConversationItemsResponse(), added)

    async def GetConversationItem(  # noqa: N802
        self, request: pb.GetConversationItemRequest, context: Context
    ) -> item_pb2.Item:
        """One item."""
        caller = await self._caller(context)
        item = await self._conversations.item(caller, request.conversation_id, request.item_id)
        return answer(item_pb2.Item(), item)

    async def DeleteConversationItem(  # noqa: N802
        self, request: pb.DeleteConversationItemRequest, context: Context
    ) -> pb.Conversation:
        """Deletes one item."""
        caller = await self._caller(context)
        left = await self._conversations.delete_item(caller, request.conversation_id, request.item_id)
        return _said(pb.Conversation(), left)

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.verify(*credentials(context))


def _said(message: M, value: object) -> M:
    return answer(message, msgspec.json.encode(value))
