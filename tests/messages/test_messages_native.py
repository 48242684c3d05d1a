"""The native lane: the client's body reaches Anthropic's format as it came, and its answer comes back so, but for the edits."""

import json

import msgspec
import pytest

from services.adapters import carry
from services.adapters.dialects.anthropic_messages.verbatim import VerbatimDecoder, VerbatimFramer
from services.adapters.registry import DIALECTS
from services.catalog.catalog import load
from services.errors import InvalidRequest
from services.messages.native import NativeLane
from services.messages.objects import AnthropicMessage, public_usage
from services.vocabulary.cost import Cost
from services.vocabulary.event import Finished, NativeAnswer, NativeEvent, Opened, UsageReported
from services.vocabulary.seal import seal
from services.vocabulary.usage import Usage
from tests.adapters.conformance import without_beginnings
from tests.messages.kit import blocks, body_of, reading_of

CATALOG = load()
ANTHROPIC = "anthropic/claude-opus-4-8"
VERTEX = "vertex/claude-opus-4-8"
BEDROCK = "bedrock/claude-opus-4-8"
AZURE = "azure/claude-opus-4-8"
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cch=abc"}
SYSTEM = {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}}
EPHEMERAL = {"type": "ephemeral"}


def target_of(model, call):
    return carry.own_lane(call, CATALOG.resolve(model, unlisted=True)[0])


def sent(model, headers=None, **fields):
    """The request to the provider, its body read, and the paths of what was lost."""
    call = reading_of(headers, **fields).call
    target = target_of(model, call)
    dialect = DIALECTS[target.dialect]
    prepared, losses = carry.prepare(call, target, dialect.name, f"k-{dialect.name}")
    request = dialect.request(prepared, target)
    return request, json.loads(request.body), [loss.param for loss in (*losses, *request.losses)]


def test_the_body_is_the_clients_but_for_the_model():
    """Bytes of every field: spaces, key order and big numbers within them."""
    fields = {
        "tools": [{"name": "f", "input_schema": {"z": 1, "a": 12345678901234567890}}],
        "surprise": {"b": 1, "a": 2},
    }
    request, _, losses = sent(ANTHROPIC, system=[BILLING, SYSTEM], **fields)
    expected = body_of(system=[BILLING, SYSTEM], **fields).replace(b'"model":"m"', b'"model":"claude-opus-4-8"')
    assert request.body == expected
    assert losses == []


CARRIED = {
    VERTEX: ({"anthropic_version": "vertex-2023-10-16"}, {"model"}),
    BEDROCK: ({"anthropic_version": "bedrock-2023-05-31"}, {"model", "stream"}),
    AZURE: ({"model": "claude-opus-4-8"}, set()),
}


@pytest.mark.parametrize("model", CARRIED)
def test_carriers_get_the_same_body(model):
    """The version and the model where each wants them; Claude on Bedrock is asked by invoke, not by Converse."""
    added, removed = CARRIED[model]
    given = {"system": [SYSTEM], "stream": True, "thinking": {"type": "adaptive"}}
    request, body, _ = sent(model, **given)
    expected = json.loads(body_of(**given)) | added
    assert body == {name: value for name, value in expected.items() if name not in removed}
    assert request.path.rpartition("/")[2] in (
        "claude-opus-4-8:streamRawPredict",
        "invoke-with-response-stream",
        "messages",
    )


@pytest.mark.parametrize(("model", "kept"), [(ANTHROPIC, True), (VERTEX, False), (BEDROCK, False), (AZURE, False)])
def test_the_billing_block_goes_to_anthropic_alone(model, kept):
    """Elsewhere it would make every prompt a new one for the cache."""
    _, body, _ = sent(model, system=[BILLING, SYSTEM])
    assert body["system"] == ([BILLING, SYSTEM] if kept else [SYSTEM])


BETAS = "claude-code-20250219,context-1m-2025-08-07,advanced-tool-use-2025-11-20"


def test_anthropic_gets_every_beta_and_the_clients_version():
    """It is the one who made them."""
    headers = {"anthropic-beta": BETAS, "anthropic-version": "2026-10-21"}
    request, _, losses = sent(ANTHROPIC, headers)
    assert (request.headers["anthropic-beta"], request.headers["anthropic-version"]) == (BETAS, "2026-10-21")
    assert losses == []


def test_carriers_get_the_betas_of_their_list():
    """Under their own names; the rest is reported."""
    known = ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"]
    request, _, losses = sent(VERTEX, {"anthropic-beta": BETAS})
    assert (request.headers["anthropic-beta"], losses) == (",".join(known), ["anthropic-beta"])
    request, body, losses = sent(BEDROCK, {"anthropic-beta": BETAS})
    assert (body["anthropic_beta"], losses) == (known, ["anthropic-beta"])
    assert "anthropic-beta" not in request.headers


def test_an_unknown_version_is_not_passed_on():
    """It would be refused; the one that all recordings have is sent."""
    request, _, _ = sent(ANTHROPIC, {"anthropic-version": "2031-01-01"})
    assert request.headers["anthropic-version"] == "2023-06-01"


def test_fields_of_a_beta_go_where_it_goes():
    """Otherwise they are taken out and reported, or refused where that would change what is asked."""
    fields = {"speed": "fast", "context_management": {"edits": []}}
    _, body, losses = sent(ANTHROPIC, **fields)
    assert (body["speed"], losses) == ("fast", [])
    _, body, losses = sent(VERTEX, **fields)
    assert ("speed" in body, body["context_management"], losses) == (False, {"edits": []}, ["speed"])
    with pytest.raises(InvalidRequest) as error:
        sent(VERTEX, mcp_servers=[{"type": "url", "url": "https://a.example"}])
    assert error.value.param == "mcp_servers"


def test_account_fields_stay_with_anthropic():
    """Carriers refuse them, and they say who the user is."""
    _, body, losses = sent(BEDROCK, metadata={"user_id": "u"}, service_tier="auto")
    assert "metadata" not in body
    assert "service_tier" not in body
    assert losses == ["metadata", "service_tier"]


def test_ours_never_leaves():
    """Routing is the gateway's business."""
    _, body, _ = sent(ANTHROPIC, routing={"provider": {"sort": "cost"}})
    assert "routing" not in body


def test_scopes_of_cache_markers_need_their_beta():
    """The rest of the marker stays."""
    system = [{**SYSTEM, "cache_control": {"type": "ephemeral", "scope": "global", "ttl": "1h"}}]
    _, body, _ = sent(ANTHROPIC, system=system)
    assert body["system"] == system
    _, body, _ = sent(BEDROCK, system=system)
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_a_marker_of_the_whole_request_is_one_on_the_last_block():
    """At Bedrock, which has no such field."""
    _, body, _ = sent(BEDROCK, cache_control=EPHEMERAL)
    assert body["messages"] == [blocks("user", {"type": "text", "text": "Hi.", "cache_control": EPHEMERAL})]
    assert "cache_control" not in body


HOME = seal("sig", "anthropic", "k-anthropic_messages", "thinking")
AWAY = seal("x.y", "openai", "k-openai_responses")


def thinking(signature):
    return {"type": "thinking", "thinking": "hm", "signature": signature}


@pytest.mark.parametrize("spaced", [False, True])
def test_own_signatures_come_back_byte_for_byte(spaced):
    """Only our tag is taken off, however the client writes its JSON."""
    said = {"type": "text", "text": 'a "signature":"cn1.anthropic.k-anthropic_messages.thinking.no"'}
    redacted = {"type": "redacted_thinking", "data": seal("blob", "anthropic", "k-anthropic_messages", "redacted")}
    messages = [blocks("user", said), blocks("assistant", redacted, thinking(HOME), thinking("untagged"), said)]
    call = reading_of(messages=messages).call
    if spaced:
        raw = msgspec.Raw(json.dumps(messages).encode())
        native = msgspec.structs.replace(call.native, fields={**call.native.fields, "messages": raw})
        call = msgspec.structs.replace(call, native=native)
    target = target_of(ANTHROPIC, call)
    prepared, losses = carry.prepare(call, target, "anthropic_messages", "k-anthropic_messages")
    request = DIALECTS["anthropic_messages"].request(prepared, target)
    expected = [{**redacted, "data": "blob"}, thinking("sig"), thinking("untagged"), said]
    assert json.loads(request.body)["messages"] == [blocks("user", said), blocks("assistant", *expected)]
    assert [*losses, *request.losses] == []


def test_what_another_provider_sealed_or_searched_is_left_out():
    """Anthropic would refuse the whole request. A message of nothing else goes with it."""
    search = {"type": "server_tool_use", "id": "srvtoolu_cn1_0a00", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_cn1_0a00", "content": []}
    cited = {"type": "text", "text": "a", "citations": [{"encrypted_index": "cn1.x.y.citation."}]}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    messages = [
        blocks("user", {"type": "text", "text": "a"}),
        blocks("assistant", thinking(AWAY), thinking(HOME), search, found, cited, use),
        blocks("assistant", thinking(AWAY)),
    ]
    _, body, losses = sent(ANTHROPIC, messages=messages)
    assert body["messages"][1:] == [blocks("assistant", thinking("sig"), {"type": "text", "text": "a"}, use)]
    assert losses == [f"messages[{m}].content[{b}]" for m, b in ((1, 0), (1, 2), (1, 3), (2, 0))]


OLD = "anthropic/claude-haiku-4-5"


def test_older_models_are_asked_in_their_own_way():
    """Clients that do not know the model ask it to think adaptively and speak to it as the system in between."""
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]
    given = {"max_tokens": 9000, "output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}, "top_k": 3}
    _, body, losses = sent(OLD, messages=turns, system=[SYSTEM], **given)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body["messages"] == turns[:1]
    assert body["system"] == [SYSTEM, {"type": "text", "text": "b"}]
    assert not {"output_config", "top_k"} & body.keys()
    assert losses == ["thinking", "top_k", "output_config.effort", "messages[1]"]


def test_more_output_than_the_model_writes_is_lowered():
    """The format demands a number, and clients say the same for every model."""
    most = CATALOG.resolve(OLD)[0].facts.max_output
    _, body, losses = sent(OLD, max_tokens=10**6)
    assert (body["max_tokens"], losses) == (most, ["max_output_tokens"])


# ---- and back --------------------------------------------------------------------------------------------------------


def lane():
    message = AnthropicMessage(id="msg_1", model="anthropic/m", usage=public_usage(Usage()))
    return NativeLane(message, Opened("anthropic", "k"))


STREAM = [
    {"type": "message_start", "message": {"id": "msg_x", "type": "message", "model": "x", "n": 1, "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "blob"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "new_block", "data": "d", "signature": "s"}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "new_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "new_event", "a": [1.50]},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}, "new": 1},
    {"type": "message_stop"},
]  # fmt: skip


def wire(events):
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode() for event in events
    )


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_stream_comes_back_as_it_was_but_for_the_edits(size):
    """Unknown events, blocks and fields survive, under every chunking; usage is read on the way."""
    framer, decoder, way_out = VerbatimFramer(), VerbatimDecoder(), lane()
    data = wire(STREAM)
    events = []
    for start in range(0, len(data), size):
        for frame in framer.feed(data[start : start + size]):
            events += decoder.feed(frame)
    decoder.close()
    out = b""
    for event in events:
        if isinstance(event, NativeEvent):
            ending = event.name == "message_delta"
            out += way_out.ending(event, Cost(5, {"output": 5})) if ending else way_out.frame(event)
    came = [json.loads(block.partition(b"data: ")[2]) for block in out.split(b"\n\n")[:-1]]
    expected = json.loads(json.dumps(STREAM))
    ours = {"routing": None, "translation_losses": []}
    expected[0]["message"] |= {"id": "msg_1", "model": "anthropic/m", **ours}
    expected[4]["delta"]["signature"] = "cn1.anthropic.k.thinking.sig"
    expected[6]["content_block"]["data"] = "cn1.anthropic.k.redacted.blob"
    expected[-2] |= {
        "cost": {"total": 5e-9, "breakdown": {"output": 5e-9}, "currency": "USD", "byok": False, "price_version": ""},
        **ours,
    }
    assert came == expected
    assert [event for event in without_beginnings(events) if not isinstance(event, NativeEvent)] == [
        UsageReported(Usage(input=3, output=9)),
        Finished("tool_calls"),
    ]


def test_a_whole_answer_comes_back_as_it_was_but_for_the_edits():
    """A `signature` that a tool is called with is none of reasoning's."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"signature": "def f()"}}
    body = {
        "id": "msg_x",
        "type": "message",
        "model": "x",
        "content": [thinking("sig"), use],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    answer = DIALECTS["anthropic_messages"].answer
    call = reading_of().call
    events = answer(json.dumps(body).encode(), call, target_of(ANTHROPIC, call))
    [native] = [event for event in events if isinstance(event, NativeAnswer)]
    out = json.loads(lane().body(native.body, None))
    ours = {"cost": None, "routing": None, "translation_losses": []}
    content = [thinking("cn1.anthropic.k.thinking.sig"), use]
    assert out == body | {"id": "msg_1", "model": "anthropic/m", "content": content, **ours}


def test_blocks_of_server_tools_pass_by_a_foreign_provider_and_come_home():
    """What Anthropic searched is left out elsewhere, and says so; at home it is what it was."""
    use = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "q"}}
    hit = {
        "type": "web_search_result",
        "url": "https://a.example",
        "title": "t",
        "encrypted_content": "enc",
        "page_age": None,
    }
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": [hit]}
    citation = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "encrypted_index": "ei",
        "cited_text": "c",
    }
    said = {"type": "text", "text": "a", "citations": [citation]}
    messages = [blocks("user", {"type": "text", "text": "a"}), blocks("assistant", use, found, said)]
    messages.append(blocks("user", {"type": "text", "text": "b"}))
    request, _, losses = sent("openai/gpt-5.5", messages=messages)
    assert losses == ["input[1]", "input[2]"]
    assert [loss.param for loss in reading_of(messages=messages).losses] == ["messages[1].content[2].citations"]
    assert b"srvtoolu" not in request.body
    request, _, losses = sent(ANTHROPIC, messages=messages)
    assert (request.body, losses) == (body_of(messages=messages).replace(b'"m"', b'"claude-opus-4-8"', 1), [])
