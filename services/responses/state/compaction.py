"""`POST /v1/responses/compact`, and `context_management`: a model writes down what matters of a conversation that grew long.

It works for every provider, because the conversation is given to the summarising model as a text: no tools, no provider's
blobs. https://platform.openai.com/docs/api-reference/responses/compact
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from services.errors import InvalidRequest
from services.responses.objects import Response, ResponseUsage
from services.responses.schema import NonEmpty
from services.responses.service import Responses
from services.responses.state import items
from services.responses.state.asking import Asking, tenant_of
from services.responses.state.condensing import role_of
from services.responses.state.summaries import Summaries
from services.responses.state.transcript import transcript
from services.surface.cost import PublicCost
from services.surface.reading import decode_body
from services.vocabulary.call import Call, Item, Message, Text
from services.vocabulary.caller import Caller

_ASKED: Final = (
    "You compact conversations so that they can go on with little context. Write down everything that is needed to continue: "
    "goals, decisions, facts, names, numbers, code and file names, results of tools, and what is still open. Leave out "
    "pleasantries. Write plain text, in the language of the conversation, and nothing else."
)


class CompactRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body. `input` may be left out by a request that continues something."""

    model: NonEmpty
    input: NonEmpty | list[msgspec.Raw] | None = None
    instructions: str | None = None
    previous_response_id: NonEmpty | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None


class CompactedResponse(msgspec.Struct, kw_only=True):
    """All messages of the user, and a compaction item for the rest. created_at: Unix seconds."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: Annotated[list[msgspec.Raw], Meta(description="Holds the items to go on with.")]
    usage: ResponseUsage | None = None
    cost: PublicCost | None = None


_request = msgspec.json.Decoder(CompactRequest)


class Compaction:
    """`model`: writes the summaries; None leaves it to the model that was asked for."""

    def __init__(self, responses: Responses, asking: Asking, summaries: Summaries, model: str | None) -> None:
        self._responses = responses
        self._asking = asking
        self._summaries = summaries
        self._model = model

    async def compact(self, body: bytes, caller: Caller) -> CompactedResponse:
        """The compacted conversation. Raises what a response raises."""
        async with self._responses.reading(caller):
            _, request = decode_body(body, _request)
            given = {"model": request.model, "store": False, "previous_response_id": request.previous_response_id}
            if request.input is not None:
                given["input"] = request.input
            asked = await self._asking.read(msgspec.json.encode(given), caller, native=False)
        response = await self.summarised(asked.call.items, request.model, request.instructions, caller)
        kept = [item for item in asked.raw if role_of(item) == "user"]
        output = [msgspec.Raw(items.shown(item, items.input_id(response.id, n, item))) for n, item in enumerate(kept)]
        output.append(self._item(response, caller))
        return CompactedResponse(
            id=response.id, created_at=response.created_at, output=output, usage=response.usage, cost=response.cost
        )

    async def condense(self, call: Call, conversation: Sequence[Item], caller: Caller) -> msgspec.Raw:
        """A compaction item that stands for a part of the call's conversation."""
        response = await self.summarised(conversation, call.model, call.instructions, caller)
        return self._item(response, caller)

    async def summarised(
        self, conversation: Sequence[Item], model: str, instructions: str | None, caller: Caller
    ) -> Response:
        """A response whose text is the summary; it is paid for like any other, and not kept."""
        text = transcript(conversation)
        if not text:
            raise InvalidRequest("There is nothing to compact.", param="input")
        asked = f"{_ASKED}\n\nThe conversation had these instructions:\n{instructions}" if instructions else _ASKED
        call = Call(model=self._model or model, items=[Message("user", [Text(text)])], instructions=asked, store=False)
        generation = await self._responses.open(call, caller)
        return await self._responses.response(generation)

    def _item(self, response: Response, caller: Caller) -> msgspec.Raw:
        item_id = f"cmp_{response.id.removeprefix('resp_')}00"
        return msgspec.Raw(msgspec.json.encode(self._summaries.item(text_of(response), tenant_of(caller), item_id)))


def text_of(response: Response) -> str:
    """The text of an answer."""
    parts = [part for item in response.output for part in getattr(item, "content", None) or ()]
    return "".join(getattr(part, "text", "") for part in parts).strip()
