"""The typed surface, over a real gRPC server: whole answers, streams, errors before and after the first event."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from time import time

import grpc
import pytest
from concentrate.responses.v1 import response_pb2, tool_pb2
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import (
    ResponsesServiceStub,
    add_ResponsesServiceServicer_to_server,
)

from services import errors
from services.errors_grpc import from_rpc_error
from services.generation.generator import Generator
from services.responses.service import Responses
from services.responses.state.asking import Asking
from services.responses.state.background import Background
from services.responses.state.compaction import Compaction
from services.responses.state.stored import Stored
from services.responses.state.summaries import Summaries
from services.responses.typed_service import TypedResponses
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.storage.sealing import Sealer
from services.store.store import DAY_S, Store
from services.vocabulary.caller import Caller
from services.vocabulary.event import Finished, Opened, ToolCallDelta, ToolCallDone, ToolCallStarted, UsageReported
from tests.rpc.kit import ANN, ANSWER, USAGE, FixedAdapters, FixedMeter, FixedRouter, served
from tests.storage.kit import opened

HI = CreateResponseRequest(model="m1", input_text="Hi")
KEY = (("authorization", "Bearer sk-cn-v1-good"),)


class OneKey:
    """Knows one key."""

    async def verify(self, authorization: str | None, x_api_key: str | None) -> Caller:
        if "sk-cn-v1-good" not in (authorization or x_api_key or ""):
            raise errors.InvalidKey("no such key")
        return ANN


@contextlib.asynccontextmanager
async def surface(
    folder: Path, adapters: FixedAdapters, router: FixedRouter | None = None, meter: FixedMeter | None = None
) -> AsyncIterator[ResponsesServiceStub]:
    generator = Generator(
        router or FixedRouter(),
        Failover(adapters, LiveHealth(LiveMetrics(clock=time), Breakers(Random()), time)),
        meter or FixedMeter(),
        Affinity(),
        now=lambda: 1000.0,
        new_id=lambda: "resp_1",
    )
    async with opened(folder, None) as database:
        store = Store(database, Sealer(), retention_s=DAY_S)
        responses, summaries, stored = Responses(generator), Summaries(Sealer()), Stored(store)
        asking = Asking(store, summaries)
        background = Background(responses, asking, stored, store)
        typed = TypedResponses(
            responses, asking, stored, background, Compaction(responses, asking, summaries, None), OneKey()
        )
        async with served(folder, lambda server: add_ResponsesServiceServicer_to_server(typed, server)) as channel:
            yield ResponsesServiceStub(channel)


async def test_a_whole_response(tmp_path: Path):
    """Items, usage, cost and the model that served are typed; what was asked is echoed."""
    request = CreateResponseRequest(
        model="m1",
        input_text="Hi",
        tools=[tool_pb2.Tool(function=tool_pb2.FunctionTool(name="f", parameters_json='{"b":1,"a":2}'))],
        tool_choice=tool_pb2.ToolChoice(mode=tool_pb2.TOOL_CHOICE_MODE_NONE),
        metadata={"k": "v"},
    )
    async with surface(tmp_path, FixedAdapters()) as stub:
        response = await stub.CreateResponse(request, metadata=KEY)
    assert (response.id, response.model, response.created_at) == ("resp_1", "acme/m1", 1000)
    assert response.status == response_pb2.RESPONSE_STATUS_COMPLETED
    assert [part.output_text.text for part in response.output[0].message.content] == ["Hello"]
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (3, 2, 5)
    assert (response.cost.total, response.cost.currency) == (0.000005, "USD")
    assert (response.tools, response.tool_choice) == (request.tools, request.tool_choice)
    assert (dict(response.metadata), response.temperature) == ({"k": "v"}, 1.0)
    assert not response.HasField("error")


async def test_a_stream_is_one_message_per_event(tmp_path: Path):
    """Events come in OpenAI's order, numbered without gaps, and the last one holds the whole response."""
    async with surface(tmp_path, FixedAdapters()) as stub:
        events = [event async for event in stub.StreamResponse(HI, metadata=KEY)]
    names = [event.WhichOneof("event") for event in events]
    assert names == [
        "response_created",
        "response_in_progress",
        "response_output_item_added",
        "response_content_part_added",
        "response_output_text_delta",
        "response_output_text_delta",
        "response_output_text_done",
        "response_content_part_done",
        "response_output_item_done",
        "response_completed",
    ]
    numbers = [getattr(event, name).sequence_number for event, name in zip(events, names, strict=True)]
    assert numbers == list(range(len(events)))
    final = events[-1].response_completed.response
    assert final.output[0].message.content[0].output_text.text == "Hello"
    assert (final.usage.total_tokens, final.cost.total) == (5, 0.000005)


async def test_a_tool_call_streams_typed(tmp_path: Path):
    """Arguments arrive as deltas and whole, with the call's id."""
    call = [
        [Opened("acme", "0badcafe"), ToolCallStarted("k", "call_1", "f"), ToolCallDelta("k", '{"x":')],
        [ToolCallDelta("k", "1}"), ToolCallDone("k"), UsageReported(USAGE), Finished("tool_calls")],
    ]
    async with surface(tmp_path, FixedAdapters(call)) as stub:
        events = [event async for event in stub.StreamResponse(HI, metadata=KEY)]
    done = [
        e.response_function_call_arguments_done for e in events if e.HasField("response_function_call_arguments_done")
    ]
    assert [(one.call_id, one.name, one.arguments) for one in done] == [("call_1", "f", '{"x":1}')]
    assert events[-1].response_completed.response.stop_reason == response_pb2.STOP_REASON_TOOL_USE


@pytest.mark.parametrize("method", ["CreateResponse", "StreamResponse"])
@pytest.mark.parametrize(
    ("request_", "metadata", "error"),
    [
        (HI, (), errors.InvalidKey("no such key")),
        (HI, (("x-api-key", "sk-cn-v1-bad"),), errors.InvalidKey("no such key")),
        (CreateResponseRequest(model="m1", input_text="Hi", top_p=2), KEY, errors.InvalidRequest("", param="top_p")),
        (HI, KEY, errors.ModelNotFound("no such model", param="model")),
        (HI, KEY, errors.RateLimited("slow down", retry_after=3)),
    ],
    ids=["no key", "bad key", "bad parameter", "unknown model", "rate limit"],
)
async def test_what_fails_before_the_first_event_is_a_status(tmp_path: Path, method, request_, metadata, error):
    """The code is the error's, and ErrorInfo says the rest, for both RPCs alike."""
    router = FixedRouter(error if not isinstance(error, errors.InvalidKey | errors.InvalidRequest) else None)
    async with surface(tmp_path, FixedAdapters(), router) as stub:
        call = getattr(stub, method)(request_, metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await (call if method == "CreateResponse" else anext(aiter(call)))
    assert raised.value.code() == error.grpc
    found = from_rpc_error(raised.value)
    assert (type(found), found.param, found.retry_after) == (type(error), error.param, error.retry_after)


async def test_a_whole_answer_that_fails_late_is_a_status(tmp_path: Path):
    """Without a stream nothing has been promised yet, whenever the provider fails."""
    adapters = FixedAdapters(ANSWER[:2], errors.ProviderFailed("it broke", model="acme/m1"))
    async with surface(tmp_path, adapters) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.CreateResponse(HI, metadata=KEY)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert from_rpc_error(raised.value).model == "acme/m1"


async def test_what_fails_later_is_an_event(tmp_path: Path):
    """After the first event a failure is `error` and `response_failed`, and the status is OK."""
    adapters = FixedAdapters(ANSWER[:2], errors.ProviderFailed("it broke", model="acme/m1"))
    async with surface(tmp_path, adapters) as stub:
        events = [event async for event in stub.StreamResponse(HI, metadata=KEY)]
    assert events[-2].error.error.code == "provider_error"
    assert events[-1].response_failed.response.status == response_pb2.RESPONSE_STATUS_FAILED
    assert events[-1].response_failed.response.error.message == "it broke"


async def test_a_stream_whose_billing_fails_still_ends(tmp_path: Path):
    """What cannot be settled is not `completed`: the client hears why, and the stream ends as every failure does."""

    class Broken(FixedMeter):
        async def settle(self, outcome, caller):
            raise errors.Overloaded("billing is away", retry_after=1)

    async with surface(tmp_path, FixedAdapters(), meter=Broken()) as stub:
        events = [event async for event in stub.StreamResponse(HI, metadata=KEY)]
    assert [event.WhichOneof("event") for event in events[-2:]] == ["error", "response_failed"]
    assert events[-2].error.error.message == "billing is away"


async def test_a_client_that_leaves_stops_the_provider(tmp_path: Path):
    """Cancelling the RPC closes the upstream stream at once."""

    class Endless(FixedAdapters):
        async def generate(self, call, target):
            try:
                for batch in ANSWER[:2]:
                    yield batch
                await asyncio.sleep(60)
            finally:
                self.closed = True

    adapters = Endless()
    async with surface(tmp_path, adapters) as stub:
        call = stub.StreamResponse(HI, metadata=KEY)
        await anext(aiter(call))
        call.cancel()
        async with asyncio.timeout(20):
            while not adapters.closed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
