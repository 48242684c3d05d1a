"""What stands between the gateway and a provider, or is not the provider at all, is never taken for an answer."""

import asyncio
import json
from collections.abc import Iterator

import msgspec
import pytest

from services import errors_anthropic
from services.adapters.adapter import Adapter
from services.adapters.credentials import EnvironmentCredentials
from services.adapters.registry import dialect
from services.catalog.schema import Auth, Provider, Target
from services.errors import GatewayError
from services.responses import intake
from services.vocabulary.event import Event, TextDelta
from services.wire.http import Http, Timeouts
from tests.fake_provider import Fake, Reply, serve

DIALECTS = ["openai_responses", "openai_chat", "anthropic_messages", "gemini", "cohere_chat"]
JSON = {"content-type": "application/json"}
PAGE = {"content-type": "text/html; charset=utf-8"}
HTML = b"<html><title>502 at proxy.within.example</title></html>"

WHOLE = {
    "openai_responses": {"id": "r", "object": "response", "status": "completed", "output": []},
    "openai_chat": {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]},
    "anthropic_messages": {
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]},
    "cohere_chat": {"finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def fake() -> Iterator[Fake]:
    with serve(Fake()) as running:
        yield running


def answered(fake: Fake, dialect: str, reply: Reply, events: list[Event], *, stream: bool) -> None:
    """Asks, is answered so, and notes the events."""
    fake.reply = reply
    row = Provider(id="p", name="P", dialect=dialect, base_url=fake.url, auth=Auth(scheme="none"))
    target = Target(row, dialect, "m", "m")
    call = intake.read(json.dumps({"model": "p/m", "input": "hi", "stream": stream}).encode())

    async def ask() -> None:
        http = Http(Timeouts(), lambda *_: None)
        try:
            async for batch in Adapter(http, EnvironmentCredentials({"p": row}, {})).generate(call, target):
                events.extend(batch)
        finally:
            await http.close()

    asyncio.run(ask())


def refused(fake: Fake, dialect: str, reply: Reply, *, stream: bool) -> tuple[GatewayError, list[Event]]:
    """The error of a call that is answered so, and the events before it."""
    events: list[Event] = []
    with pytest.raises(GatewayError) as raised:
        answered(fake, dialect, reply, events, stream=stream)
    return raised.value, events


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("status", "http"),
    [
        (301, 424), (302, 424), (307, 424), (400, 400), (402, 424), (404, 424), (405, 424), (409, 424), (410, 424),
        (413, 400), (422, 400), (429, 424), (451, 424), (500, 424), (502, 424), (504, 504), (529, 424),
    ],
)  # fmt: skip
def test_a_status_is_the_callers_fault_only_if_it_can_be(fake: Fake, dialect: str, status: int, http: int):
    """Addresses, accounts, methods and redirects are the operator's; the words of the provider are passed on."""
    body = json.dumps({"message": "its words", "error": {"message": "its words"}}).encode()
    reply = Reply(body, status, {**JSON, "location": "http://10.0.0.1/login"})
    error, events = refused(fake, dialect, reply, stream=False)
    assert (error.http, error.model, events) == (http, "p/m", [])
    assert ("its words" if status >= 400 else "redirects") in error.message
    assert "10.0.0.1" not in error.message
    passes = http == 424 and (status == 429 or status >= 500)
    assert error.headers == ([("x-should-retry", "true")] if passes else [])  # clients retry no 424 unasked


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (
            "openai_responses",
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
        ),
        ("openai_responses", "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
        (
            "openai_chat",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        ),
        (
            "openai_chat",
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        ),
        ("openai_chat", "The estimated number of input tokens (9000) exceeded this model context window limit (8000)."),
        ("anthropic_messages", "prompt is too long: 208310 tokens > 200000 maximum"),
        ("anthropic_messages", "Input is too long for requested model."),
        ("gemini", "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."),
        ("cohere_chat", "too many tokens: size limit exceeded by 25836 tokens. Try using shorter or fewer inputs."),
    ],
)
def test_an_input_that_is_too_long_is_known_whoever_says_so(fake: Fake, dialect: str, words: str):
    """Agents go by the code, those of the Messages API by the words."""
    body = json.dumps({"message": words, "error": {"message": words}}).encode()
    error, _ = refused(fake, dialect, Reply(body, 400, JSON), stream=False)
    assert (error.http, error.code, error.message) == (400, "context_length_exceeded", words)
    said = json.loads(errors_anthropic.body(error, None))["error"]
    assert said["type"] == "invalid_request_error"
    assert said["message"].lower().startswith("prompt is too long")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 502])
def test_a_web_page_is_no_answer_and_is_not_shown(fake: Fake, dialect: str, stream: bool, status: int):
    """It comes from a proxy in between, and may name hosts. Nothing was begun, so another provider may be tried."""
    error, events = refused(fake, dialect, Reply(HTML, status, PAGE), stream=stream)
    assert error.http == 424
    assert "within" not in error.message
    assert not stream or not events


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_answer_to_a_streamed_request_is_said_to_be_one(fake: Fake, dialect: str):
    """A server that cannot stream; found before anything is sent to the client."""
    error, events = refused(fake, dialect, Reply(json.dumps(WHOLE[dialect]).encode()), stream=True)
    assert (error.http, events) == (424, [])
    assert "whole answer where a stream was asked for" in error.message


@pytest.mark.parametrize("dialect", ["openai_responses", "openai_chat", "anthropic_messages"])
def test_an_error_with_status_200_is_told_in_its_words(fake: Fake, dialect: str):
    """Streamed or not."""
    body = json.dumps({"error": {"message": "its words", "type": "server_error"}}).encode()
    for stream in (False, True):
        error, events = refused(fake, dialect, Reply(body), stream=stream)
        assert error.http == 424
        assert "its words" in error.message
        assert not stream or not events


def test_a_text_that_was_cut_within_a_character_is_mended(fake: Fake):
    """Providers whose strings are UTF-16 write half an emoji; strict JSON readers refuse all of it."""
    message = rb'{"choices":[{"index":0,"message":{"content":"a \ud83d"},"finish_reason":"stop"}]}'
    first = rb'data: {"choices":[{"index":0,"delta":{"content":"a \ud83d"}}]}'
    rest = b'data: {"choices":[{"index":0,"delta":{"content":" b"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    for stream, reply, text in (
        (False, Reply(message), "a \ufffd"),
        (True, Reply(first + b"\n\n" + rest, headers={"content-type": "text/event-stream"}), "a \ufffd b"),
    ):
        events: list[Event] = []
        answered(fake, "openai_chat", reply, events, stream=stream)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text


@pytest.mark.parametrize("logprobs", ["null", "[]", "{}", '"none"', "0"])
def test_log_probabilities_that_are_none_are_left_out(fake: Fake, logprobs: str):
    """Nobody asked for them, so the text is what counts."""
    choice = f'{{"index":0,"message":{{"content":"hi"}},"logprobs":{{"content":{logprobs}}},"finish_reason":"stop"}}'
    part = f'{{"type":"output_text","text":"hi","annotations":[],"logprobs":{logprobs}}}'
    item = f'{{"type":"message","id":"msg_1","role":"assistant","content":[{part}]}}'
    chat = f'{{"choices":[{choice}]}}'.encode()
    responses = f'{{"status":"completed","output":[{item}]}}'.encode()
    events: list[Event] = []
    answered(fake, "openai_chat", Reply(chat), events, stream=False)
    call = msgspec.structs.replace(intake.read(b'{"model":"m","input":"hi"}'), native=None)
    row = Provider(id="p", name="P", dialect="openai_responses", base_url="")
    events += dialect("openai_responses").answer(responses, call, Target(row, "openai_responses", "m", "m"))
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("hi"), TextDelta("hi")]
