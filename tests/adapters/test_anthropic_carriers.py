"""Claude on Vertex AI and on Bedrock: the same format, another path, another place for model and version, other frames."""

import base64
import json
import struct
from zlib import crc32

import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.anthropic_messages.bedrock import AnthropicBedrock
from services.adapters.dialects.anthropic_messages.vertex import AnthropicVertex
from services.adapters.registry import dialect
from services.errors import InvalidRequest
from services.vocabulary.call import Cache, File, Image, Message, Text, WebSearchTool
from services.vocabulary.event import Finished, TextBlock, TextDelta, UsageReported
from services.vocabulary.usage import Usage
from tests.adapters.anthropic_kit import block, call, lost, sent, start, stop, target
from tests.adapters.conformance import without_beginnings

VERTEX, BEDROCK = AnthropicVertex(), AnthropicBedrock()
ON_VERTEX = target("claude-opus-4-1@20250805")
ON_BEDROCK = target("us.anthropic.claude-sonnet-4-5-20250929-v1:0")


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_vertex(stream, verb):
    """The model and the verb stand in the path, version and stream in the body."""
    request = VERTEX.request(call(stream=stream), ON_VERTEX)
    body = json.loads(request.body)
    assert request.path == f"/models/claude-opus-4-1@20250805:{verb}"
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body.get("stream", False) is stream
    assert "model" not in body
    assert "anthropic-version" not in request.headers


@pytest.mark.parametrize(("stream", "verb"), [(False, "invoke"), (True, "invoke-with-response-stream")])
def test_bedrock(stream, verb):
    """The model is quoted, since its colon would be read as something else; the body says no stream."""
    request = BEDROCK.request(call(stream=stream), ON_BEDROCK)
    body = json.loads(request.body)
    assert request.path == f"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/{verb}"
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert {"model", "stream"}.isdisjoint(body)


def test_bedrock_caches_by_a_marker_on_the_last_block():
    """It has no automatic caching; the last block's marker means the same."""
    body, losses = sent(call(Message("user", [Text("Q"), Text("R")]), cache=Cache("1h")), ON_BEDROCK, BEDROCK)
    assert "cache_control" not in body
    assert body["messages"][0]["content"][1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert losses == []


def test_vertex_fetches_no_urls():
    """Images and documents come inline there."""
    with pytest.raises(InvalidRequest) as caught:
        sent(call(Message("user", [Image("https://a.example/x.png")])), ON_VERTEX, VERTEX)
    assert caught.value.param == "input[0].content[0].image_url"
    assert sent(call(tools=[WebSearchTool()]), ON_VERTEX, VERTEX)[0]["tools"][0]["type"] == "web_search_20250305"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (call(Message("user", [Image("https://a.example/x.png")])), "input[0].content[0].image_url"),
        (call(Message("user", [File("https://a.example/x.pdf")])), "input[0].content[0].file_url"),
        (call(Message("user", [File(file_id="f")])), "input[0].content[0].file_id"),
        (call(tools=[WebSearchTool()]), "tools[0].type"),
    ],
)
def test_what_bedrock_lacks_is_refused_by_name(asked, param):
    """URLs, stored files and web search."""
    with pytest.raises(InvalidRequest) as caught:
        sent(asked, ON_BEDROCK, BEDROCK)
    assert caught.value.param == param


@pytest.mark.parametrize(("carrier", "to"), [(VERTEX, ON_VERTEX), (BEDROCK, ON_BEDROCK)])
def test_fields_of_an_account_with_anthropic_stay_away(carrier, to):
    """The clouds have their own accounts."""
    body, losses = sent(call(user="u", service_tier="priority"), to, carrier)
    assert {"metadata", "service_tier"}.isdisjoint(body)
    assert lost(losses) == [("user", "dropped"), ("service_tier", "dropped")]


# ---- Bedrock's frames ------------------------------------------------------------------------------------------------


def message(payload, **headers):
    """One message of an AWS event stream."""
    head = b""
    for name, value in headers.items():
        key = (":" + name.replace("_", "-")).encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    rest = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return rest + struct.pack("!I", crc32(rest))


def chunk(event):
    inner = base64.b64encode(json.dumps(event).encode()).decode()
    return message(json.dumps({"bytes": inner, "p": "ab"}).encode(), message_type="event", event_type="chunk")


def read(data, size):
    asked = call(stream=True)
    framer, decoder, events = BEDROCK.framing(asked)(), BEDROCK.decoder(asked, ON_BEDROCK), []
    for at in range(0, len(data), size):
        for frame in framer.feed(data[at : at + size]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return without_beginnings([*events, *decoder.close()])


HELLO = [start(), *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"}), *stop()]


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_bedrock_streams(size):
    """Events are taken out of their frames, however the bytes arrive."""
    data = b"".join(map(chunk, HELLO))
    assert read(data, size) == [
        TextBlock(),
        TextDelta("Hi"),
        UsageReported(Usage(input=10, output=7)),
        Finished("stop"),
    ]


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        ("throttlingException", Kind.RATE_LIMITED),
        ("modelStreamErrorException", Kind.FAILED),
        ("internalServerException", Kind.UNAVAILABLE),
        ("modelTimeoutException", Kind.TIMEOUT),
    ],
)
def test_bedrock_exceptions(exception, kind):
    """An exception frame is an error of its kind, with AWS's words."""
    data = chunk(HELLO[0]) + message(b'{"message":"Ouch"}', message_type="exception", exception_type=exception)
    with pytest.raises(UpstreamError, match="Ouch") as caught:
        read(data, len(data))
    assert caught.value.kind is kind


def test_a_bedrock_stream_that_ends_early_is_truncated():
    """As everywhere."""
    with pytest.raises(UpstreamError) as caught:
        read(b"".join(map(chunk, HELLO[:-1])), 50)
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize("payload", [b"{", b'{"bytes":"*"}', b'{"bytes":7}', b'{"bytes":"e30="}'])
def test_a_bedrock_frame_without_an_event_is_a_protocol_error(payload):
    """Broken JSON, base64, or what is inside."""
    data = message(payload, message_type="event", event_type="chunk")
    with pytest.raises(UpstreamError) as caught:
        read(data, len(data))
    assert caught.value.kind is Kind.PROTOCOL


# ---- errors ----------------------------------------------------------------------------------------------------------


def body(kind, text):
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}, "request_id": "r"}).encode()


ERRORS = [
    (400, body("invalid_request_error", "No."), Kind.CALLER, "No.", "invalid_request_error"),
    (400, body("invalid_request_error", "Your credit balance is too low to …"), Kind.CREDENTIAL, None, None),
    (401, body("authentication_error", "invalid x-api-key"), Kind.CREDENTIAL, "invalid x-api-key", None),
    (402, body("billing_error", "Pay."), Kind.CREDENTIAL, "Pay.", None),
    (403, b'{"message":"The security token is expired"}', Kind.CREDENTIAL, "The security token is expired", None),
    (404, body("not_found_error", "model: x"), Kind.CALLER, "model: x", "not_found_error"),
    (404, b'[{"error":{"code":404,"message":"No model","status":"NOT_FOUND"}}]', Kind.CALLER, "No model", "NOT_FOUND"),
    (413, body("request_too_large", "Big."), Kind.CALLER, "Big.", None),
    (422, b"", Kind.CALLER, "HTTP 422", None),
    (429, body("rate_limit_error", "Slow."), Kind.RATE_LIMITED, "Slow.", None),
    (500, b"<html>oops</html>", Kind.UNAVAILABLE, "<html>oops</html>", None),
    (503, b'{"Message":"Busy"}', Kind.UNAVAILABLE, "Busy", None),
    (529, body("overloaded_error", "Overloaded"), Kind.UNAVAILABLE, "Overloaded", "overloaded_error"),
    (529, b"\xff\xfe", Kind.UNAVAILABLE, None, None),
    (500, b'{"error":"text"}', Kind.UNAVAILABLE, "text", None),
    (500, b'{"error":{"message":7}}', Kind.UNAVAILABLE, None, None),
]


@pytest.mark.parametrize(("status", "data", "kind", "words", "code"), ERRORS)
def test_http_errors(status, data, kind, words, code):
    """The status says whose fault it is; the words are the provider's, in whichever shape they came."""
    error = dialect("anthropic_messages").error(status, {}, data)
    assert (error.kind, error.status) == (kind, status)
    assert words is None or error.message == words
    assert code is None or error.code == code


def test_how_long_to_wait_is_passed_on():
    """As the provider says."""
    assert VERTEX.error(429, {"retry-after": "7"}, b"").retry_after == 7
    assert VERTEX.error(429, {}, b"").retry_after is None
