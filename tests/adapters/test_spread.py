"""What Codex sends beyond functions, at providers that know functions only: told as functions, and told back."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters import carry
from services.adapters.registry import DIALECTS, dialect
from services.adapters.spread_names import LENGTH_MAX
from services.adapters.written import Written, written_for
from services.catalog.reading import read
from services.catalog.schema import Provider, Target
from services.errors import InvalidRequest
from services.messages import intake as messages
from services.responses import intake
from services.responses.projection import Projection
from services.vocabulary.call import FunctionTool, HostedTool, Message, ToolCall, ToolResult
from services.vocabulary.event import (
    Event,
    Finished,
    HostedItem,
    Opened,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
)

ROWS = {row.id: row for row in read().providers}
SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}

SHELL = {"type": "function", "name": "exec_command", "parameters": SCHEMA, "strict": False}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Works with other agents.",
    "tools": [
        {"type": "function", "name": "spawn", "description": "Starts one.", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "wait", "parameters": SCHEMA},
    ],
}
PATCH = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": SCHEMA}
OFFLINE = {"type": "web_search", "external_web_access": False}


def target(row: str = "anthropic", format_: str | None = None) -> Target:
    provider = ROWS.get(row) or Provider(row, row, format_ or "openai_chat", "http://upstream")
    return Target(provider, format_ or provider.dialect, "some-model", "some-model")


def asked(*tools: Any, items: Any = "hi", **more: Any) -> Any:
    body = {"model": "m", "input": items, "tools": list(tools), "store": False, **more}
    return intake.read(json.dumps(body).encode())


def written(*tools: Any, to: Target | None = None, **more: Any) -> Written:
    to = to or target()
    return written_for(asked(*tools, **more), to, to.dialect, "scope")


def names(result: Written) -> list[str]:
    return [tool.name for tool in result.call.tools if not isinstance(tool, HostedTool) and hasattr(tool, "name")]


def called(name: str, arguments: str = "{}", key: str = "0") -> list[Event]:
    return [ToolCallStarted(key, "call_1", name), ToolCallDelta(key, arguments), ToolCallDone(key)]


# ---- namespaces ------------------------------------------------------------------------------------------------------


def test_a_namespace_is_told_tool_by_tool_and_its_calls_come_back():
    """With the namespace's description at its first tool, and the name as the client gave it."""
    result = written(SHELL, AGENTS)
    assert names(result) == ["exec_command", "agents__spawn", "agents__wait"]
    first = result.call.tools[1]
    assert isinstance(first, FunctionTool)
    assert first.description == "Works with other agents.\n\nStarts one."
    assert result.restored(called("agents__wait"))[0] == ToolCallStarted("0", "call_1", "wait", namespace="agents")
    assert result.restored(called("exec_command")) == called("exec_command")
    assert result.losses[0].param == "tools[1]"


def test_calls_of_earlier_turns_are_told_by_the_same_names():
    """Also when their namespace is offered no more."""
    items = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "c", "namespace": "agents", "name": "wait", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "done"},
    ]
    for tools in ([AGENTS], [SHELL]):
        call = written(*tools, items=items).call.items[1]
        assert isinstance(call, ToolCall)
        assert (call.name, call.namespace) == ("agents__wait", None)


@pytest.mark.parametrize("format_", sorted(DIALECTS))
def test_every_format_takes_what_codex_sends(format_: str):
    """A request is written, every tool is in it, and no name is too long for anybody."""
    group = {**AGENTS, "name": "a" * 80}
    to = target("someone", format_)
    result = written(SHELL, AGENTS, group, PATCH, SEARCH, OFFLINE, to=to)
    body = result.request(dialect(format_), to).body.decode()
    for name in names(result):
        assert len(name) <= LENGTH_MAX
        assert f'"{name}"' in body
    assert len(set(names(result))) == 7


def test_names_never_collide():
    """Neither with a plain tool's, nor with that of another namespace, nor by what had to be cut off."""
    plain = {**SHELL, "name": "agents__wait"}
    long = [{**AGENTS, "name": "n" * 70 + letter} for letter in "ab"]
    split = [{**AGENTS, "name": "x__y"}, {**AGENTS, "name": "x", "tools": [{**SHELL, "name": "y__wait"}]}]
    result = written(plain, AGENTS, *long, *split)
    assert len(set(names(result))) == len(names(result)) == 10
    origins = {
        (started.namespace, started.name)
        for name in names(result)
        for started in result.restored(called(name))
        if isinstance(started, ToolCallStarted)
    }
    assert len(origins) == 10


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "function", "name": "spawn"}, ("required", "agents__spawn", None)),
        ({"type": "namespace", "name": "agents"}, ("required", None, ["agents__spawn", "agents__wait"])),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "wait"}]},
            ("auto", None, ["agents__wait"]),
        ),
        ("required", ("required", None, None)),
    ],
)
def test_a_choice_means_the_tools_of_the_namespace(choice: Any, expected: Any):
    """By the name of the tool, or of the whole namespace."""
    told = written(SHELL, AGENTS, tool_choice=choice).call.tool_choice
    assert told is not None
    assert (told.mode, told.name, told.allowed) == expected


def test_what_is_lost_is_told_with_the_clients_own_paths():
    """`tools[2]` is the third that the client sent, whatever the first two became."""
    to = target("mistral")
    result = written(AGENTS, SHELL, {**PATCH, "cache_control": {"type": "ephemeral"}}, to=to)
    losses = result.request(dialect(to.dialect), to).losses
    assert {loss.param for loss in losses} == {"tools[2]", "tools[2].format", "tools[2].cache_control"}


def test_what_is_refused_is_named_with_the_clients_own_path():
    """In the parameter and in the message."""
    mcp = {"type": "mcp", "server_label": "x"}
    with pytest.raises(InvalidRequest, match=r"\(at tools\[1\]\.type\)") as caught:
        written(AGENTS, mcp)
    assert caught.value.param == "tools[1].type"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "namespace", "name": "a"}, "tools[0]"),
        ({"type": "namespace", "name": "a", "tools": [{"type": "function"}]}, "tools[0].tools[0].name"),
        ({"type": "namespace", "name": "a", "tools": [7]}, "tools[0].tools[0]"),
        ({"type": "namespace", "name": "a", "tools": [{"type": "mcp"}]}, "tools[0].tools[0].type"),
        ({"type": "tool_search", "execution": 1}, "tools[0]"),
    ],
)
def test_a_group_that_is_none_is_named(tool: Any, param: str):
    """A 400 with the path, not an accident."""
    with pytest.raises(InvalidRequest) as caught:
        written(tool)
    assert caught.value.param == param


# ---- searching for tools ---------------------------------------------------------------------------------------------


def test_a_search_for_tools_is_a_function_whose_call_the_client_runs():
    """It comes back as the item that Codex waits for, with arguments as an object."""
    result = written(SHELL, SEARCH)
    assert names(result) == ["exec_command", "tool_search"]
    events = [TextDelta("Looking."), *called("tool_search", '{"query": "mail"}')]
    first, item = result.restored(events)
    assert first == TextDelta("Looking.")
    assert isinstance(item, HostedItem)
    projection = Projection(asked(SEARCH), "m", Opened("p", "s"), "resp_0", 0)
    projection.feed([item, Finished("tool_calls")])
    projection.complete(None, 0)
    assert json.loads(msgspec.json.encode(projection.response.output[0])) == {
        "type": "tool_search_call",
        "id": "tsc_000",
        "call_id": "call_1",
        "execution": "client",
        "arguments": {"query": "mail"},
        "status": "completed",
    }


def test_what_the_client_found_can_be_called():
    """The search and its answer are a call and a result; the tools found join the others, once."""
    found = {"type": "function", "name": "send_mail", "defer_loading": True, "parameters": SCHEMA}
    items = [
        {"role": "user", "content": "go"},
        {"type": "tool_search_call", "call_id": "s", "execution": "client", "arguments": {"query": "mail"}},
        {"type": "tool_search_output", "call_id": "s", "execution": "client", "tools": [found, SHELL, AGENTS]},
    ]
    result = written(SHELL, SEARCH, items=items)
    assert names(result) == ["exec_command", "tool_search", "send_mail", "agents__spawn", "agents__wait"]
    call, answer = result.call.items[1:]
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"query": "mail"}
    assert isinstance(answer, ToolResult)
    assert "send_mail, agents__spawn, agents__wait" in str(answer.output)


def test_a_search_that_openai_runs_is_replaced_by_showing_all():
    """Its receipts in the conversation are only receipts, and what was loaded stays loaded."""
    items = [
        {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {"paths": ["crm"]}},
        {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": [AGENTS]},
        {"role": "user", "content": "go"},
    ]
    for row in ("anthropic", "xai"):
        to = target(row)
        result = written({"type": "tool_search"}, SHELL, items=items, to=to)
        assert names(result) == ["exec_command", "agents__spawn", "agents__wait"]
        assert b"tool_search" not in result.request(dialect(to.dialect), to).body


def test_tools_that_an_item_brings_along_join_the_others():
    """Newer versions of Codex send most of their tools so."""
    items = [{"type": "additional_tools", "role": "developer", "tools": [AGENTS]}, {"role": "user", "content": "go"}]
    result = written(SHELL, items=items)
    assert names(result) == ["exec_command", "agents__spawn", "agents__wait"]
    assert isinstance(result.call.items[0], Message)


# ---- the same format, without OpenAI's tools -------------------------------------------------------------------------


def test_openai_gets_the_body_as_it_came():
    """And so does Azure."""
    for row in ("openai", "azure"):
        to = target(row)
        result = written(AGENTS, PATCH, SEARCH, OFFLINE, to=to)
        assert carry.is_native(result.call, to.dialect)


def test_xai_gets_a_plain_call_as_it_came_and_others_written_anew():
    """It refuses namespaces, custom tools and `external_web_access`."""
    to = target("xai")
    assert carry.is_native(written(SHELL, {"type": "web_search"}, to=to).call, to.dialect)
    result = written(AGENTS, PATCH, {"type": "web_search", "external_web_access": True}, to=to)
    body = json.loads(result.request(dialect(to.dialect), to).body)
    assert [tool["type"] for tool in body["tools"]] == ["function", "function", "function", "web_search"]
    assert "external_web_access" not in body["tools"][3]


def test_custom_tools_are_functions_where_the_format_knows_them_but_the_provider_does_not():
    """Calls of earlier turns too; what the model writes comes back as free text."""
    items = [
        {"role": "user", "content": "go"},
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    ]
    to = target("xai")
    result = written(PATCH, items=items, to=to)
    body = json.loads(result.request(dialect(to.dialect), to).body)
    assert [item["type"] for item in body["input"]] == ["message", "function_call", "function_call_output"]
    assert json.loads(body["input"][1]["arguments"]) == {"input": "*** Begin"}
    assert result.restored(called("apply_patch", '{"input":"*** End"}')) == [
        ToolCallStarted("0", "call_1", "apply_patch", custom=True),
        ToolCallDelta("0", "*** End"),
        ToolCallDone("0"),
    ]


# ---- a search that must stay inside ----------------------------------------------------------------------------------


def test_a_search_that_must_not_reach_out_is_left_out_elsewhere():
    """Nobody else has an index of the web to search in its place."""
    result = written(SHELL, OFFLINE)
    assert names(result) == ["exec_command"]
    assert len(result.call.tools) == 1
    assert [loss.action for loss in result.losses if loss.param == "tools[1]"] == ["dropped"]


@pytest.mark.parametrize("body", [{"tools": [OFFLINE]}, {"tools": [SHELL, OFFLINE], "tool_choice": OFFLINE}])
def test_a_search_that_matters_is_refused_rather_than_left_out(body: Any):
    """When it is the only tool, or demanded."""
    tools = body.pop("tools")
    with pytest.raises(InvalidRequest, match="external_web_access"):
        written(*tools, **body)


def test_a_call_without_any_of_this_is_left_alone():
    """The usual case costs a look at the tools and the items."""
    call, to = asked(SHELL), target()
    result = written_for(call, to, to.dialect, "scope")
    events = called("exec_command")
    assert result.restored(events) is events
    assert result.call.tools == call.tools


LONG = "mcp__plugin_of_a_long_name_the_server_of_it__search_all_documents_of_the_project"


@pytest.mark.parametrize("row", ["openai", "xai", "mistral", "huggingface"])
def test_names_that_are_too_long_travel_shortened_and_come_back(row: str):
    """Those of MCP servers, from clients of Anthropic's format; what fits stays. The same name is always the same."""
    block = {"type": "tool_use", "id": "toolu_123456789", "name": LONG, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_123456789", "content": "r"}
    tools = [{"name": name, "input_schema": SCHEMA} for name in (LONG, f"{LONG}_too", "short")]
    turns = [{"role": "assistant", "content": [block]}, {"role": "user", "content": [result]}]
    body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}, *turns], "tools": tools}
    call = messages.read(json.dumps(body | {"tool_choice": {"type": "tool", "name": LONG}}).encode(), {}).call
    to = target(row)
    made = written_for(call, to, to.dialect, "scope")
    names = [tool.name for tool in made.call.tools if isinstance(tool, FunctionTool)]
    assert names[2] == "short"
    assert len({*names}) == 3
    assert all(len(name) <= LENGTH_MAX for name in names)
    assert [item.name for item in made.call.items if isinstance(item, ToolCall)] == [names[0]]
    assert made.call.tool_choice is not None
    assert made.call.tool_choice.name == names[0]
    assert made.losses == []
    assert made.restored([ToolCallStarted("0", "c", names[1])]) == [ToolCallStarted("0", "c", f"{LONG}_too")]
    assert json.loads(made.request(dialect(to.dialect), to).body)


def test_a_client_of_the_format_itself_keeps_its_names():
    """The provider's own limit is its own to tell."""
    tool = {"type": "function", "name": LONG, "parameters": SCHEMA}
    assert [each.name for each in written(tool, to=target("openai")).call.tools if isinstance(each, FunctionTool)] == [
        LONG
    ]
