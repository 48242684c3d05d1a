"""One request's way out: what is settled before the end is told, and what a client hears of failures."""

import json
from collections.abc import Sequence
from random import Random
from time import time
from typing import Any

import pytest

from services.chat.answer import Answer
from services.errors import GatewayError, InvalidRequest, ProviderFailed
from services.generation.generation import Generation
from services.generation.generator import Generator
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.vocabulary.event import Event, Finished, Loss, NativeAnswer, NativeEvent, Opened, TextDelta, UsageReported
from tests.chat.kit import asked, chunks_of
from tests.rpc.kit import ANN, COST, USAGE, FixedAdapters, FixedMeter, FixedRouter

OPENED = Opened(
    "acme", "0badcafe", [Loss("max_output_tokens", "changed", "why"), Loss("reasoning.summary", "dropped", "why")]
)
BEGUN: Sequence[Sequence[Event]] = [[OPENED], [TextDelta("Hel"), TextDelta("lo")]]
ENDED: Sequence[Sequence[Event]] = [*BEGUN, [UsageReported(USAGE), Finished("stop")]]
DONE = b"data: [DONE]\n\n"
FAILED = ProviderFailed("It broke (at input[0].content).", param="input[0].content", model="acme/m1", kind="truncated")


class Case:
    """One request and what its provider does."""

    def __init__(self, batches: Sequence[Sequence[Event]], error: Exception | None = None, **fields: Any) -> None:
        self.meter = FixedMeter()
        self.adapters = FixedAdapters(batches, error)
        self.asked = asked(max_tokens=5, reasoning_effort="low", **fields)
        self.answer = Answer(self.asked)

    async def open(self) -> Generation:
        health = LiveHealth(LiveMetrics(clock=time), Breakers(Random(1)), time)
        generator = Generator(
            FixedRouter(), Failover(self.adapters, health), self.meter, Affinity(), new_id=lambda: "resp_ab"
        )
        return await generator.open(self.asked.call, ANN, surface="chat")

    async def stream(self) -> bytes:
        return b"".join([data async for data in self.answer.sse(await self.open())])

    async def whole(self) -> dict[str, Any]:
        return dict(json.loads(await self.answer.whole(await self.open())))


async def test_a_stream_is_settled_before_its_end_is_told():
    """The cost is in the last chunk; losses are in the client's words, without what it did not ask for."""
    case = Case(ENDED, stream=True)
    pieces = [data async for data in case.answer.sse(await case.open())]
    assert len(pieces) == 2  # what comes with the end goes out with it
    *_, last = chunks_of(pieces[-1].removesuffix(DONE))
    assert pieces[-1].endswith(DONE)
    assert last["id"] == "chatcmpl-ab"
    assert last["cost"]["total"] == COST.total / 1e9
    assert last["translation_losses"] == [{"param": "max_tokens", "action": "changed", "detail": "why"}]
    ((outcome, _),) = case.meter.settled
    assert (outcome.surface, outcome.status, outcome.usage, outcome.streamed) == ("chat", "completed", USAGE, True)


async def test_a_whole_answer_is_settled_too():
    """And says the same."""
    case = Case(ENDED)
    made = await case.whole()
    assert (made["id"], made["choices"][0]["message"]["content"]) == ("chatcmpl-ab", "Hello")
    assert made["cost"]["total"] == COST.total / 1e9
    assert [outcome.status for outcome, _ in case.meter.settled] == ["completed"]


async def test_what_is_not_kept_is_told():
    """`store` is a promise that only another surface keeps."""
    losses = (await Case(ENDED, store=True).whole())["translation_losses"]
    assert [loss["param"] for loss in losses] == ["max_tokens", "store"]
    assert [loss["param"] for loss in (await Case(ENDED, store=False).whole())["translation_losses"]] == ["max_tokens"]


async def test_a_failure_in_a_stream_is_an_error_object_and_done():
    """In the client's words, with whatever it cost; the SDKs raise for it."""
    case = Case([*BEGUN, [UsageReported(USAGE)]], FAILED, stream=True)
    data = await case.stream()
    assert data.endswith(DONE)
    *chunks, failure = chunks_of(data.removesuffix(DONE))
    assert [each["choices"][0]["delta"].get("content") for each in chunks] == ["", "Hel", "lo"]
    assert failure["error"] == {
        "type": "provider_error",
        "code": "provider_error",
        "message": "It broke (at messages[0].content).",
        "param": "messages[0].content",
        "model": "acme/m1",
    }
    assert failure["cost"]["total"] == COST.total / 1e9
    assert [outcome.status for outcome, _ in case.meter.settled] == ["failed"]


async def test_a_failure_of_ours_says_nothing_of_why():
    """The log does."""
    data = await Case(BEGUN, RuntimeError("secret"), stream=True).stream()
    assert b"secret" not in data
    assert chunks_of(data.removesuffix(DONE))[-1]["error"]["code"] == "server_error"


async def test_a_failure_of_a_whole_answer_is_raised_in_the_clients_words():
    """The interceptor makes a status of it."""
    error = InvalidRequest("No (at input).", param="input")
    with pytest.raises(GatewayError) as caught:
        await Case(BEGUN, error).whole()
    assert (caught.value.param, caught.value.message) == ("messages", "No (at messages).")


async def test_a_failure_before_any_provider_began_is_a_whole_stream():
    """The status is sent already when a provider keeps silent for long."""
    case = Case(ENDED, stream=True)
    data = case.answer.failed(case.asked.call, FAILED)
    assert data.endswith(DONE)
    assert chunks_of(data.removesuffix(DONE))[0]["error"]["param"] == "messages[0].content"


async def test_a_provider_that_says_nothing_has_failed():
    """An answer without any event is none."""
    with pytest.raises(ProviderFailed):
        await Case([[OPENED]]).whole()
    data = await Case([[OPENED]], stream=True).stream()
    assert chunks_of(data.removesuffix(DONE))[0]["error"]["code"] == "provider_error"


async def test_the_first_events_show_the_lane():
    """Native ones are the provider's own bytes."""
    body = b'{"id":"x","model":"y","choices":[],"new":1}'
    made = await Case([[OPENED], [UsageReported(USAGE), Finished("stop"), NativeAnswer(body)]]).whole()
    assert (made["id"], made["model"], made["new"]) == ("chatcmpl-ab", "acme/m1", 1)
    chunk = NativeEvent("", b'data: {"id":"x","model":"y","choices":[]}\n\n')
    last = NativeEvent("last", b'{"id":"x","model":"y","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
    data = await Case([[OPENED], [chunk], [last, UsageReported(USAGE), Finished("stop")]], stream=True).stream()
    first, end = chunks_of(data.removesuffix(DONE))
    assert first == {"id": "chatcmpl-ab", "model": "acme/m1", "choices": []}
    assert end["cost"]["total"] == COST.total / 1e9


async def test_a_client_that_leaves_pays_for_what_it_got():
    """Closing the stream ends the provider's work and settles once."""
    case = Case(ENDED, stream=True)
    stream = case.answer.sse(await case.open())
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert case.adapters.closed
    assert [outcome.status for outcome, _ in case.meter.settled] == ["cancelled"]
