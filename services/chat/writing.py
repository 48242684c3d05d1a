"""Chunks and the whole answer, as bytes, from what the projection says. The whole answer is the sum of the stream's pieces."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from services.chat.fold import Fold
from services.chat.objects import (
    ChatCompletion,
    ChatUsage,
    Choice,
    CompletionTokensDetails,
    Delta,
    PromptTokensDetails,
)
from services.chat.projection import Piece, Projection
from services.responses.objects import ToolCallCounts
from services.surface.cost import public_cost
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Loss
from services.vocabulary.routing import RouteTaken
from services.vocabulary.usage import Usage

_encoder: Final = msgspec.json.Encoder()
_ROLE: Final = b'{"role":"assistant","content":""}'


class Answered(msgspec.Struct, frozen=True):
    """What every answer says besides its content. id: `chatcmpl-…`. created: Unix seconds. model: what served."""

    id: str
    created: int
    model: str
    route: RouteTaken
    losses: list[Loss]

    def extras(self, cost: Cost | None) -> dict[str, object]:
        """Our own members, which the last chunk and the whole answer have."""
        return {"cost": public_cost(cost), "routing": self.route, "translation_losses": self.losses}


class Writer(Protocol):
    """Writes one answer. Exactly one of `feed` and `complete` for a stream, or of `take` and `whole`, is used."""

    def feed(self, events: Sequence[Event]) -> bytes:
        """Chunks, as server-sent events; empty once the answer is finished, whose last chunks wait for `complete`."""
        ...

    def complete(self, cost: Cost | None) -> bytes:
        """The last chunks."""
        ...

    def take(self, events: Sequence[Event]) -> None:
        """The next events of an answer that is not streamed."""
        ...

    def whole(self, cost: Cost | None) -> bytes:
        """The answer."""
        ...


class ProjectedWriter:
    """Implements `Writer` for what any provider answered. include_usage: see `Asked`."""

    def __init__(self, answered: Answered, projection: Projection, *, include_usage: bool) -> None:
        self._answered = answered
        self._projection = projection
        self._include_usage = include_usage
        self._fold = Fold()
        self._last = b""
        self._begun = False
        head = {"id": answered.id, "object": "chat.completion.chunk", "created": answered.created}
        head["model"] = answered.model
        self._head = b"data: " + _encoder.encode(head)[:-1] + b',"choices":[{"index":0,"delta":'
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Writer`."""
        chunks = [self._chunk(piece) for piece in self._projection.feed(events)]
        if not self._begun and (chunks or self._projection.finished):
            self._begun = True
            chunks.insert(0, self._head + _ROLE + b',"logprobs":null,"finish_reason":null}]' + self._tail)
        if self._projection.finished is None:
            return b"".join(chunks)
        self._last += b"".join(chunks)
        return b""

    def complete(self, cost: Cost | None) -> bytes:
        """See `Writer`."""
        usage = self._projection.usage
        extras: dict[str, object] = {"service_tier": _tier(usage), **self._answered.extras(cost)}
        finish = b'{},"logprobs":null,"finish_reason":"%b"}]' % self._projection.finish_reason.encode()
        if not self._include_usage or usage is None:
            more = {"usage": None, **extras} if self._include_usage else extras
            return self._last + self._head + finish + b"," + _encoder.encode(more)[1:] + b"\n\n"
        counted = {"usage": public_usage(usage), **extras}
        empty = self._head.removesuffix(b'{"index":0,"delta":') + b"],"
        return self._last + self._head + finish + self._tail + empty + _encoder.encode(counted)[1:] + b"\n\n"

    def take(self, events: Sequence[Event]) -> None:
        """See `Writer`."""
        for piece in self._projection.feed(events):
            self._fold.add(piece)

    def whole(self, cost: Cost | None) -> bytes:
        """See `Writer`."""
        projection, answered = self._projection, self._answered
        message, logprobs = self._fold.message()
        choice = Choice(message=message, logprobs=logprobs, finish_reason=projection.finish_reason)
        completion = ChatCompletion(
            id=answered.id,
            created=answered.created,
            model=answered.model,
            choices=[choice],
            usage=public_usage(projection.usage) if projection.usage is not None else None,
            service_tier=_tier(projection.usage),
            cost=public_cost(cost),
            routing=answered.route,
            translation_losses=answered.losses,
        )
        return _encoder.encode(completion)

    def _chunk(self, piece: Piece) -> bytes:
        logprobs = b"null" if piece.logprobs is None else b'{"content":%b,"refusal":null}' % bytes(piece.logprobs)
        rest = b',"logprobs":%b,"finish_reason":null}]' % logprobs
        return self._head + _delta(piece.delta) + rest + self._tail


def _delta(delta: Delta) -> bytes:
    return _encoder.encode(delta)


def _tier(usage: Usage | None) -> str:
    return (usage.tier if usage is not None else "") or "default"


def public_usage(usage: Usage) -> ChatUsage:
    """Disjoint classes -> the format's totals with subsets."""
    return ChatUsage(
        prompt_tokens=usage.input_total,
        completion_tokens=usage.output,
        total_tokens=usage.total,
        prompt_tokens_details=PromptTokensDetails(usage.cache_read, usage.cache_write),
        completion_tokens_details=CompletionTokensDetails(usage.reasoning),
        tool_calls=ToolCallCounts(usage.web_searches),
    )
