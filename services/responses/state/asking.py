"""What a request says of earlier ones: whether its answer is kept, and the items it continues."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from services.errors import InvalidRequest, NotFound, PreviousResponseNotFound, RequestTooLarge
from services.responses import intake
from services.responses.intake import Given
from services.responses.keeping import Recorder, State, Unkept
from services.responses.schema import ContextManagementParam, ConversationParam, ResponsesRequest
from services.responses.state import items
from services.responses.state.condensing import in_conversation, instructs, parted, since_compaction
from services.responses.state.recording import Recording
from services.responses.state.summaries import Summaries
from services.store.records import UNDER_WAY
from services.store.store import Store
from services.surface.reading import decode
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call, Item
from services.vocabulary.caller import Caller, CallerPolicy
from services.vocabulary.event import Loss

CONTEXT_BYTES_MAX: Final = 64 << 20
"""What a request may continue, as JSON."""

Condense = Callable[[Call, Sequence[Item], Caller], Awaitable[msgspec.Raw]]
"""A compaction item that stands for some items of a call."""

_SUMMARISED: Final = Loss("context_management", "emulated", "What came before the last message was summarised here.")
_management = msgspec.json.Decoder(list[ContextManagementParam])

REFUSED_BY_POLICY: Final = "Nothing is kept: the key's policy or zero data retention forbids it."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood. own: the items of its own, where they are not as it gave them; recorder: None keeps nothing."""

    call: Call
    state: State
    given: Given
    own: Sequence[msgspec.Raw] | None
    recorder: Recorder | None
    context: Sequence[msgspec.Raw] = ()

    @property
    def raw(self) -> list[msgspec.Raw]:
        """All items as JSON, oldest first."""
        return [*self.context, *(self.own if self.own is not None else items.own_items(self.given))]


class Asking:
    """Reads requests. summaries: open compaction items of ours.

    condense: does `context_management`; None leaves it to providers.
    """

    def __init__(self, store: Store, summaries: Summaries) -> None:
        self._store = store
        self._summaries = summaries
        self.condense: Condense | None = None

    async def read(self, body: bytes, caller: Caller, *, native: bool = True, answered: bool = True) -> Asked:
        """The request in a JSON body. Raises `InvalidRequest` and `NotFound`.

        native: the body may travel as it is. answered: it is to be answered, so a long conversation is worth a summary.
        """
        given = intake.parse(body)
        request, tenant = given.request, tenant_of(caller)
        if request.previous_response_id and request.conversation:
            raise InvalidRequest(
                "Mutually exclusive parameters: `previous_response_id` and `conversation`.",
                param="previous_response_id",
            )
        own: list[msgspec.Raw] | None = None
        context = await self._context(request, tenant)
        if request.conversation is not None:
            items.check_ids(items.own_items(given), "input", {items.head_of(item).id for item in context})
        if b'"item_reference"' in (said := bytes(given.fields.get("input", b""))):
            own = await self._resolved(items.own_items(given), context, tenant)
        shown, before = own, self._summaries.opened(context, tenant)
        if b'"compaction"' in said:
            shown = self._summaries.opened(items.own_items(given) if own is None else own, tenant)
        threshold = _threshold(given) if self.condense is not None else None
        call, losses = intake.call_of(given, before, shown), list[Loss]()
        if answered and threshold is not None and prompt_tokens(call) > threshold:
            kept = await self._condensed(call, given, context, own, caller)
            if kept is not None:
                context, own = list(filter(instructs, context)), kept
                call = intake.call_of(given, context, self._summaries.opened(kept, tenant))
                losses.append(_SUMMARISED)
        state = _state(call, request, caller, len(context), losses)
        keeps = state.stored or state.conversation_id is not None
        call = msgspec.structs.replace(call, store=keeps, native=call.native if native else None)
        recorder: Recorder | None = None
        if keeps:
            recorder = Recording(self._store, tenant, state, items.input_of(given, own))
        elif state.previous_response_id is not None or state.losses:
            recorder = Unkept(state)
        return Asked(call, state, given, own, recorder, context)

    async def _condensed(
        self,
        call: Call,
        given: Given,
        context: Sequence[msgspec.Raw],
        own: Sequence[msgspec.Raw] | None,
        caller: Caller,
    ) -> list[msgspec.Raw] | None:
        """Own items to go on with, a compaction item first; what instructs the model among the context stays before them.

        None where nothing can be left out, or only by giving items of a conversation another place.
        """
        raw = [*context, *(items.own_items(given) if own is None else own)]
        parts = parted(call.items, raw)
        if parts is None or (given.request.conversation is not None and parts.kept[0] < len(context)):
            return None
        assert self.condense is not None, "asked for only where it is done"
        summary = await self.condense(call, [call.items[n] for n in parts.told], caller)
        ruling = [n for n in parts.ruling if n >= len(context)]
        return [summary, *[raw[n] for n in (*ruling, *parts.kept)]]

    async def _context(self, request: ResponsesRequest, tenant: str) -> list[msgspec.Raw]:
        """The items of what is continued, oldest first."""
        if request.previous_response_id is not None:
            return await self._previous(tenant, request.previous_response_id)
        if request.conversation is not None:
            return await self._conversation(tenant, conversation_id(request))
        return []

    async def _previous(self, tenant: str, response_id: str) -> list[msgspec.Raw]:
        turns = await self._store.chain(tenant, response_id)
        if not turns:
            raise PreviousResponseNotFound(
                f"Previous response with id '{response_id}' not found, or one that it continues was deleted.",
                param="previous_response_id",
            )
        if turns[-1].status in UNDER_WAY:
            raise InvalidRequest(
                f"The response {response_id!r} has not ended yet, so it cannot be continued.",
                param="previous_response_id",
            )
        _check_size(sum(len(turn.input) + len(turn.output) for turn in turns), "previous_response_id")
        pieces = [[*items.items_of(turn.input), *items.output_of(turn.output)] for turn in turns]
        return [item for piece in since_compaction(pieces) for item in piece]

    async def _conversation(self, tenant: str, conversation: str) -> list[msgspec.Raw]:
        rows = await self._store.items(tenant, conversation)
        if rows is None:
            raise NotFound(f"Conversation with id '{conversation}' not found.", param="conversation")
        _check_size(sum(len(row.item) for row in rows), "conversation")
        return in_conversation([msgspec.Raw(row.item) for row in rows])

    async def _resolved(
        self, given: list[msgspec.Raw], context: Sequence[msgspec.Raw], tenant: str
    ) -> list[msgspec.Raw]:
        """The items with those in the place of references that are known; carry judges the others."""
        wanted = [head.id for head in map(items.head_of, given) if head.type == items.REFERENCE and head.id]
        known = {items.head_of(item).id: item for item in context}
        asked = [item_id for item_id in wanted if item_id not in known]
        if asked:
            ours = {items.response_of(item_id) for item_id in asked} - {None}
            foreign = [item_id for item_id in asked if items.response_of(item_id) is None]
            outputs = await self._store.outputs_with(tenant, [each for each in ours if each], foreign)
            for output in outputs.values():
                known |= {items.head_of(item).id: item for item in items.output_of(output)}
        found = []
        for item in given:
            head = items.head_of(item)
            found.append(known.get(head.id, item) if head.type == items.REFERENCE else item)
        return found


def tenant_of(caller: Caller) -> str:
    """Whose responses a caller sees: those of its organisation, else of its key."""
    return caller.org_id or caller.key_id


def may_keep(policy: CallerPolicy) -> bool:
    """Whether anything of a caller's may be kept."""
    return policy.store and not policy.zdr


def conversation_id(request: ResponsesRequest) -> str:
    """The id of the conversation a request names."""
    named = request.conversation
    return named.id if isinstance(named, ConversationParam) else named or ""


def _threshold(given: Given) -> int | None:
    """The size in tokens from which to compact, taken out of the body: the gateway does it, and no provider has to."""
    raw = given.fields.pop("context_management", None)
    if raw is None or bytes(raw) == b"null":
        return None
    entries = decode(raw, _management, "context_management")
    return next((entry.compact_threshold for entry in entries if entry.compact_threshold is not None), None)


def _state(call: Call, request: ResponsesRequest, caller: Caller, context: int, losses: Sequence[Loss]) -> State:
    allowed = may_keep(caller.policy) and not (call.routing is not None and call.routing.zdr)
    stored = allowed and request.store is not False
    background = bool(request.background)
    if background and not stored:
        why = REFUSED_BY_POLICY if request.store is not False else "A response in the background must be stored."
        raise InvalidRequest(why, param="background")
    if request.conversation is not None and not allowed:
        raise InvalidRequest(REFUSED_BY_POLICY, param="conversation")
    return State(
        stored=stored,
        background=background,
        previous_response_id=request.previous_response_id,
        conversation_id=conversation_id(request) or None,
        context=context,
        losses=[*losses, *([Loss("store", "dropped", REFUSED_BY_POLICY)] if request.store and not allowed else ())],
    )


def _check_size(size: int, param: str) -> None:
    if size > CONTEXT_BYTES_MAX:
        raise RequestTooLarge(f"What is continued is larger than {CONTEXT_BYTES_MAX >> 20} MiB.", param=param)
