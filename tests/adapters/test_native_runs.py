"""On the native lane deltas pass as the bytes they came in; whatever is not in the usual form is looked at."""

import json

import msgspec
import pytest

from services.adapters.dialect import UpstreamError
from services.adapters.dialects.openai_responses import OpenAIResponses
from services.catalog.schema import Provider, Target
from services.responses import intake
from services.responses.native import NativeLane
from services.vocabulary.event import Event, NativeEvent, Opened, UsageReported

CALL = intake.read(b'{"model":"openai/m","input":"hi","stream":true}')
TARGET = Target(
    Provider(id="openai", name="OpenAI", dialect="openai_responses", base_url=""), "openai_responses", "m", "m"
)


def event(number: int, type: str, form: str = "event: {type}\ndata: {data}\n\n", **fields: object) -> bytes:
    data = json.dumps({"type": type, "sequence_number": number, **fields}, separators=(",", ":"))
    return form.replace("{type}", type).replace("{data}", data).encode()


def delta(number: int, text: str, form: str = "event: {type}\ndata: {data}\n\n") -> bytes:
    return event(number, "response.output_text.delta", form, delta=text)


def read(stream: bytes, size: int) -> list[Event]:
    dialect = OpenAIResponses()
    framer, decoder = dialect.framing(CALL)(), dialect.decoder(CALL, TARGET)
    events: list[Event] = []
    for start in range(0, len(stream), size):
        for frame in framer.feed(stream[start : start + size]):
            events += decoder.feed(frame)
    return events


def sent(stream: bytes, size: int = 100_000) -> bytes:
    lane = NativeLane(CALL, "openai/m", Opened("openai", "x"), "resp_1")
    return b"".join(lane.frame(event) for event in read(stream, size) if isinstance(event, NativeEvent))


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_deltas_pass_byte_for_byte(size: int) -> None:
    """However they arrive; what stands between them keeps its place."""
    item = event(2, "response.output_item.added", output_index=0, item={"type": "message"})
    stream = delta(0, "a") + delta(1, "\u2028 b") + item + delta(3, "c") + delta(4, '"sequence_number" \\n')
    assert sent(stream, size) == stream


def test_several_deltas_are_one_event() -> None:
    """That is the point."""
    stream = delta(0, "a") + delta(1, "b") + event(2, "response.output_text.done", text="ab") + delta(3, "c")
    names = [event.name for event in read(stream, 100_000) if isinstance(event, NativeEvent)]
    assert names == ["", "response.output_text.done", ""]


@pytest.mark.parametrize(
    "form",
    [
        "data: {data}\n\n",
        "event:{type}\ndata:{data}\n\n",
        "data: {data}\nevent: {type}\n\n",
        "event: {type}\r\ndata: {data}\r\n\r\n",
        "event: {type}\nid: 7\ndata: {data}\n\n",
        ": ping\n\nevent: {type}\ndata: {data}\n\n",
    ],
)
def test_other_forms_of_a_delta_come_out_in_ours(form: str) -> None:
    """With `event:`, `data:` and LF, whatever the provider writes."""
    assert sent(delta(0, "a", form) + delta(1, "b")) == delta(0, "a") + delta(1, "b")


def test_a_provider_without_sequence_numbers_gets_them_counted_on() -> None:
    """Deltas that lack one are not part of a run, and runs count for those that follow."""
    bare = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"c"}\n\n'
    last = json.loads(sent(delta(0, "a") + delta(1, "b") + bare).split(b"data: ")[-1])
    assert last["sequence_number"] == 2


def test_what_has_no_type_is_no_event() -> None:
    """It is read over, and not passed to a client that would not know it as one."""
    stream = delta(0, "a") + b"data: {}\n\n" + b'event: heartbeat\ndata: {"n":1}\n\n' + delta(1, "b")
    assert sent(stream) == delta(0, "a") + delta(1, "b")


@pytest.mark.parametrize("name", [b"", b"event: error\n", b"event: other\n"])
def test_an_error_without_a_type_is_the_providers_error(name: bytes) -> None:
    """As the chat API writes it, which proxies do whatever the API is."""
    with pytest.raises(UpstreamError, match="overloaded now"):
        sent(delta(0, "a") + name + b'data: {"error":{"message":"overloaded now","code":"server_error"}}\n\n')


@pytest.mark.parametrize(("word", "tier"), [("default", ""), ("auto", ""), ("flex", "flex"), ("priority", "priority")])
@pytest.mark.parametrize("native", [True, False], ids=["native", "for another surface"])
def test_the_tier_is_the_one_the_provider_served_at(native, word, tier):
    """Prices depend on it."""
    usage = {"input_tokens": 2, "output_tokens": 1}
    body = json.dumps({"status": "completed", "output": [], "usage": usage, "service_tier": word}).encode()
    call = CALL if native else msgspec.structs.replace(CALL, native=None)
    events = OpenAIResponses().answer(body, call, TARGET)
    assert [event.usage.tier for event in events if isinstance(event, UsageReported)] == [tier]


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.created"}', b'{"type":"response.in_progress","response":null}',
        b'{"type":"response.completed","response":[]}', b'{"type":"response.output_text.done","text":{"a":1}',
        b'{"type":"response.content_part.added",}', b"[]", b"null", b"{",
    ],
)  # fmt: skip
def test_a_broken_event_is_the_providers_error(data: bytes) -> None:
    """It never reaches the client, and is no error of ours."""
    with pytest.raises(UpstreamError):
        sent(delta(0, "a") + b"data: " + data + b"\n\n")


def test_the_name_of_an_event_is_its_type() -> None:
    """Whatever stands in the `event:` line."""
    data = b'{"type":"response.output_text.done","sequence_number":1,"text":"a"}'
    want = b"event: response.output_text.done\ndata: " + data + b"\n\n"
    assert sent(b"event: message\ndata: " + data + b"\n\n") == want
