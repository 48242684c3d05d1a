"""What a Messages request says beside the conversation: thinking, limits, sampling, formats, and what it cannot say."""

import pytest

from services.adapters.dialects.anthropic_messages.models import by_name
from services.vocabulary.call import Format, FunctionTool, ReasoningOptions, ToolChoice
from tests.adapters.anthropic_kit import BUDGET, NEW, OLD, call, lost, raw, sent, target

F = FunctionTool("f")
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}

# ---- what a name tells -----------------------------------------------------------------------------------------------

# name, thinking, sampling parameters, forced tools, schemas, system turns, most tokens of an answer
NAMES = [
    ("claude-3-haiku-20240307", "none", True, True, False, False, 4096),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", "none", True, True, False, False, 8192),
    ("claude-3-7-sonnet@20250219", "budget", True, True, False, False, 64_000),
    ("claude-sonnet-4-20250514", "budget", True, True, False, False, 64_000),
    ("claude-opus-4-20250514", "budget", True, True, False, False, 32_000),
    ("us.anthropic.claude-opus-4-1-20250805-v1:0", "budget", True, True, True, False, 32_000),
    ("claude-haiku-4-5", "budget", True, True, True, False, 64_000),
    ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "budget", True, True, True, False, 64_000),
    ("claude-sonnet-4-6", "adaptive", True, True, True, False, 128_000),
    ("claude-opus-4-7", "adaptive", False, True, True, False, 128_000),
    ("claude-opus-4.8", "adaptive", False, True, True, True, 128_000),
    ("claude-mythos-preview", "adaptive", False, False, True, False, 128_000),
    ("claude-sonnet-5", "adaptive", False, True, True, False, 128_000),
    ("claude-fable-5", "adaptive", False, True, True, True, 128_000),
    ("claude-fable-5-1", "adaptive", False, False, True, True, 128_000),
    ("claude-opus-5-5", "adaptive", False, False, True, True, 128_000),
    ("claude-sonnet-5-5", "adaptive", False, False, True, True, 128_000),
    ("claude-haiku-5-5", "adaptive", False, True, True, True, 128_000),
    ("claude-opus-7", "adaptive", False, False, True, True, 128_000),
    ("claude-sonnet-latest", "adaptive", False, False, True, True, 128_000),
    ("claude-instant-1.2", "none", True, True, False, False, 4096),
    ("anthropic.claude-v2:1", "none", True, True, False, False, 4096),
    ("kimi-k2", "budget", True, True, False, False, 8192),
]


@pytest.mark.parametrize(("name", "thinking", "sampling", "forced", "schemas", "turns", "most"), NAMES)
def test_what_a_name_tells(name, thinking, sampling, forced, schemas, turns, most):
    """Versions are read wherever they stand in a name; what is unknown is taken for the newest."""
    told = by_name(name)
    assert (told.thinking, told.sampling, told.forced_tools) == (thinking, sampling, forced)
    assert (told.schemas, told.system_turns, told.max_output) == (schemas, turns, most)


# ---- thinking and limits ---------------------------------------------------------------------------------------------

FULL = "claude-opus-4-8"
# model, effort, thinking, output_config.effort, losses
THINKING = [
    (BUDGET, "minimal", {"type": "enabled", "budget_tokens": 1024}, None, []),
    (BUDGET, "low", {"type": "enabled", "budget_tokens": 2048}, None, []),
    (BUDGET, "medium", {"type": "enabled", "budget_tokens": 8192}, None, []),
    (BUDGET, "high", {"type": "enabled", "budget_tokens": 16384}, None, []),
    (BUDGET, "xhigh", {"type": "enabled", "budget_tokens": 24576}, None, []),
    (BUDGET, "none", None, None, []),
    (FULL, "none", None, None, []),
    (FULL, "minimal", {"type": "adaptive"}, "low", [("reasoning.effort", "changed")]),
    (FULL, "xhigh", {"type": "adaptive"}, "xhigh", []),
    ("claude-sonnet-4-6", "xhigh", {"type": "adaptive"}, "max", [("reasoning.effort", "changed")]),
    ("claude-sonnet-5", "none", {"type": "disabled"}, None, []),
    ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None, []),
    ("claude-opus-5-5", "none", None, "low", [("reasoning.effort", "changed")]),
    (OLD, "high", None, None, [("reasoning.effort", "dropped")]),
    (OLD, "none", None, None, []),
]


@pytest.mark.parametrize(("model", "effort", "thinking", "config", "losses"), THINKING)
def test_effort(model, effort, thinking, config, losses):
    """An effort becomes a budget or a level, the nearest one the model has, and `none` turns thinking off."""
    body, found = sent(call(reasoning=ReasoningOptions(effort)), target(model))
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == config
    assert lost(found) == losses


def test_the_catalogue_wins_over_the_name():
    """Facts say how a model is told to think and which levels it has."""
    body, _ = sent(call(reasoning=ReasoningOptions("low")), target("claude-sonnet-4-6", thinking="budget"))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    body, losses = sent(call(reasoning=ReasoningOptions("max")), target(NEW, efforts=["low", "high"]))
    assert body["output_config"] == {"effort": "high"}
    assert lost(losses) == [("reasoning.effort", "changed")]
    assert lost(sent(call(reasoning=ReasoningOptions("low")), target(NEW, efforts=[]))[1]) == [
        ("reasoning.effort", "dropped")
    ]


# model, limit of the client, max_tokens, budget, losses (effort high: 16384)
LIMITS = [
    (64000, 64000, 16384, []),
    (16384, 16384, 15360, [("reasoning.effort", "changed")]),
    (4096, 4096, 3072, [("reasoning.effort", "changed")]),
    (1500, 1500, 1024, [("reasoning.effort", "changed")]),
    (500, 1524, 1024, [("reasoning.effort", "changed"), ("max_output_tokens", "changed")]),
]


@pytest.mark.parametrize(("limit", "max_tokens", "budget", "losses"), LIMITS)
def test_a_budget_fits_into_the_clients_limit(limit, max_tokens, budget, losses):
    """The limit counts thinking, so the budget shrinks; only where the smallest does not fit the limit grows."""
    body, found = sent(call(max_output_tokens=limit, reasoning=ReasoningOptions("high")), target(BUDGET))
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (max_tokens, budget)
    assert lost(found) == losses


def test_an_exact_budget_is_kept():
    """A client that names tokens gets them, but no less than Anthropic allows."""
    body, losses = sent(call(reasoning=ReasoningOptions("low", budget_tokens=3000)), target(BUDGET))
    assert body["thinking"]["budget_tokens"] == 3000
    assert losses == []
    body, losses = sent(call(reasoning=ReasoningOptions("low", budget_tokens=10)), target(BUDGET))
    assert body["thinking"]["budget_tokens"] == 1024
    assert lost(losses) == [("reasoning.effort", "changed")]


@pytest.mark.parametrize(
    ("asked", "facts", "model", "limit"),
    [
        (77, {}, NEW, 77),
        (None, {"max_output": 9000}, NEW, 9000),
        (None, {}, NEW, 32000),
        (None, {}, "claude-3-haiku-20240307", 4096),
        (None, {}, "somebody-elses", 8192),
    ],
)
def test_max_tokens(asked, facts, model, limit):
    """The client's word, else the catalogue's, else as much as the model writes, up to 32,000."""
    assert sent(call(max_output_tokens=asked), target(model, **facts))[0]["max_tokens"] == limit


@pytest.mark.parametrize(
    ("model", "thinking", "losses"),
    [
        (NEW, {"type": "adaptive", "display": "summarized"}, []),
        ("claude-sonnet-4-6", {"type": "adaptive"}, []),
        (BUDGET, None, [("reasoning.summary", "dropped")]),
    ],
)
def test_a_summary_without_an_effort_lets_an_adaptive_model_think(model, thinking, losses):
    """Newer models show their thinking only when told to."""
    body, found = sent(call(reasoning=ReasoningOptions(summary="auto")), target(model))
    assert body.get("thinking") == thinking
    assert lost(found) == losses


def test_thinking_gives_way_to_a_forced_tool():
    """A budget does not go with a forced call; adaptive thinking does."""
    asked = call(tools=[F], tool_choice=ToolChoice("required"), reasoning=ReasoningOptions("low"))
    body, losses = sent(asked, target(BUDGET))
    assert body["tool_choice"] == {"type": "any"}
    assert "thinking" not in body
    assert lost(losses) == [("reasoning.effort", "dropped")]
    body, losses = sent(asked, target(NEW))
    assert body["thinking"] == {"type": "adaptive"}
    assert losses == []


# model, effort, what is asked, what is sent, what is lost
SAMPLING = [
    (BUDGET, None, {"temperature": 0.5}, {"temperature": 0.5}, []),
    (BUDGET, None, {"temperature": 1.7}, {"temperature": 1}, [("temperature", "changed")]),
    (BUDGET, None, {"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}, []),
    (BUDGET, None, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, [("top_p", "dropped")]),
    (OLD, None, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, []),
    (BUDGET, "low", {"temperature": 0.5, "top_k": 3}, {}, [("temperature", "dropped"), ("top_k", "dropped")]),
    (BUDGET, "low", {"temperature": 1, "top_p": 0.97}, {"top_p": 0.97}, []),
    (BUDGET, "low", {"top_p": 0.5}, {}, [("top_p", "dropped")]),
    ("claude-sonnet-4-6", "low", {"temperature": 0.5}, {"temperature": 0.5}, []),
    (NEW, None, {"temperature": 0.5, "top_p": 0.5}, {}, [("temperature", "dropped"), ("top_p", "dropped")]),
    (NEW, None, {"temperature": 1, "top_p": 1}, {}, []),
]


@pytest.mark.parametrize(("model", "effort", "asked", "written", "losses"), SAMPLING)
def test_sampling(model, effort, asked, written, losses):
    """Parameters go as far as the model takes them; a default that is left out is no loss."""
    body, found = sent(call(reasoning=ReasoningOptions(effort), **asked), target(model))
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == written
    assert lost(found) == losses


# ---- formats ---------------------------------------------------------------------------------------------------------


def test_a_schema_is_enforced_natively_and_byte_for_byte():
    """Models that have structured outputs get the schema as it came."""
    body, losses = sent(call(format=Format("json_schema", "answer", raw(CLOSED), strict=True)), target(BUDGET))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}
    assert losses == []


def test_a_schema_is_closed_and_its_limits_are_said_in_words():
    """What structured outputs do not enforce is reported."""
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 1, "description": "A."},
            "b": {"oneOf": [{"type": "string", "format": "email"}, {"type": "string", "format": "color"}]},
        },
    }
    body, losses = sent(call(format=Format("json_schema", "x", raw(schema))))
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "A.\n\n{minimum: 1}"},
            "b": {
                "anyOf": [
                    {"type": "string", "format": "email"},
                    {"type": "string", "description": '{format: "color"}'},
                ]
            },
        },
        "additionalProperties": False,
    }
    assert lost(losses) == [("text.format.schema", "changed")]


OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(("model", "schema"), [(OLD, CLOSED), (BUDGET, OPEN), (NEW, OPEN)])
def test_a_schema_is_asked_for_by_a_forced_tool(model, schema):
    """Where structured outputs are missing, or cannot express it, a tool stands for the answer."""
    body, losses = sent(call(format=Format("json_schema", "my answer", raw(schema))), target(model))
    assert body["tool_choice"] == {"type": "tool", "name": "my_answer"}
    assert body["tools"][0]["name"] == "my_answer"
    assert body["tools"][0]["input_schema"] == schema
    assert lost(losses) == [("text.format", "emulated")]


def test_the_tool_of_a_format_leaves_room_for_the_clients_tools():
    """The model must call something: one of the client's tools, or the one that is the answer."""
    asked = call(tools=[F], format=Format("json_schema", "f", raw(CLOSED)))
    body, _ = sent(asked, target(OLD))
    assert [tool["name"] for tool in body["tools"]] == ["f", "f_2"]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    forced = call(tools=[F], tool_choice=ToolChoice("required"), format=Format("json_schema", "x", raw(CLOSED)))
    body, losses = sent(forced, target(OLD))
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert losses == []
    none = call(tools=[F], tool_choice=ToolChoice("none"), format=Format("json_schema", "x", raw(CLOSED)))
    assert sent(none, target(OLD))[0]["tool_choice"] == {"type": "tool", "name": "x"}


@pytest.mark.parametrize(
    ("model", "effort", "asked", "words"),
    [
        (NEW, None, Format("json_object"), "one JSON object"),
        ("claude-sonnet-4", "low", Format("json_schema", "x", raw(CLOSED)), '"additionalProperties": false'),
        ("claude-opus-5-5", None, Format("json_schema", "x", raw(OPEN)), '"additionalProperties"'),
    ],
)
def test_a_format_is_asked_for_in_words(model, effort, asked, words):
    """Where nothing can be forced, the instructions say it last."""
    body, losses = sent(call(format=asked, instructions="Be kind.", reasoning=ReasoningOptions(effort)), target(model))
    assert body["system"][0]["text"] == "Be kind."
    assert words in body["system"][1]["text"]
    assert "tools" not in body
    assert lost(losses) == [("text.format", "emulated")]


def test_effort_and_format_share_output_config():
    """Both stand in one object."""
    body, _ = sent(call(format=Format("json_schema", "x", raw(CLOSED)), reasoning=ReasoningOptions("low")))
    assert set(body["output_config"]) == {"effort", "format"}


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_stop_sequences_user_and_tier():
    """They have their own fields."""
    body, losses = sent(call(stop=["END", " "], user="u1", service_tier="default", stream=True))
    assert (body["stop_sequences"], body["metadata"], body["service_tier"]) == (
        ["END"],
        {"user_id": "u1"},
        "standard_only",
    )
    assert body["stream"] is True
    assert lost(losses) == [("stop", "dropped")]


LOST = [
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"seed": 0}, "seed"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"verbosity": "low"}, "text.verbosity"),
    ({"truncation": "auto"}, "truncation"),
    ({"prompt_cache_key": "k"}, "prompt_cache_key"),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}, "include[1]"),
    ({"user": "u", "safety_identifier": "s"}, "user"),
    ({"safety_identifier": "s" * 600}, "safety_identifier"),
]


@pytest.mark.parametrize(("asked", "param"), LOST)
def test_what_anthropic_has_nothing_for_is_reported(asked, param):
    """Each is dropped, by name."""
    assert lost(sent(call(**asked))[1]) == [(param, "dropped")]


def test_what_says_the_default_is_no_loss():
    """Asking for what Anthropic does anyway loses nothing."""
    asked = call(
        presence_penalty=0,
        frequency_penalty=0.0,
        top_logprobs=0,
        verbosity="medium",
        truncation="disabled",
        store=False,
        prompt_cache_retention="in_memory",
        service_tier="auto",
        metadata={"a": "b"},
        include=["reasoning.encrypted_content", "web_search_call.action.sources"],
    )
    assert sent(asked)[1] == []


def test_quirks_of_a_row():
    """A provider may have another path and another version."""
    from tests.adapters.anthropic_kit import DIALECT

    request = DIALECT.request(call(), target(quirks={"messages_path": "/messages", "anthropic_version": "2026-10-21"}))
    assert (request.path, request.headers["anthropic-version"]) == ("/messages", "2026-10-21")
