"""Every example of docs/sandbox.md is run."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from services.adapters.sandbox.script import Fail, Hang, Pause, Say, script
from services.catalog.schema import Provider, Target
from services.vocabulary.call import (
    Call,
    CustomTool,
    Format,
    FunctionTool,
    Message,
    ReasoningOptions,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.event import (
    Citation,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    SearchDone,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
EXAMPLES = re.findall(r"```sandbox\n(.*?)```", PAGE, re.DOTALL)
TARGET = Target(Provider(id="sandbox", name="Sandbox", dialect="sandbox", base_url=""), "sandbox", "echo", "echo")


def offered() -> list[Tool]:
    """The tools of the page."""
    tools: list[Tool] = []
    for row in json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]):
        match row["type"]:
            case "function":
                tools.append(FunctionTool(row["name"], parameters=msgspec.Raw(json.dumps(row["parameters"]).encode())))
            case "custom":
                tools.append(CustomTool(row["name"]))
            case "web_search":
                tools.append(WebSearchTool())
    return tools


def call_of(lines: list[str]) -> Call:
    """The request of an example: its `>` and `+` lines."""
    text = next(line[2:] for line in lines if line.startswith("> "))
    options = dict(line[2:].split(": ", 1) for line in lines if line.startswith("+ "))
    values = {name: json.loads(value) for name, value in options.items()}
    items: list[Message | ToolCall | ToolResult] = [Message("user", [Text(text)])]
    if "function_call_output" in values:
        items += [ToolCall("c", "get_weather", "{}"), ToolResult("c", [Text(values["function_call_output"])])]
    form = values.get("text.format")
    named = any(tool in text for tool in ("get_weather", "weather", "get_time", "shell", "web_search"))
    return Call(
        model="sandbox/echo",
        items=items,
        tools=offered() if named or "tool_choice" in values else [],
        tool_choice=choice(values.get("tool_choice")),
        parallel_tool_calls=values.get("parallel_tool_calls"),
        max_output_tokens=values.get("max_output_tokens"),
        reasoning=ReasoningOptions(values["reasoning.effort"]) if "reasoning.effort" in values else None,
        format=form and Format(form["type"], schema=msgspec.Raw(json.dumps(form.get("schema")).encode())),
    )


def choice(value: object) -> ToolChoice | None:
    match value:
        case str():
            return ToolChoice(value)
        case {"type": "allowed_tools", "mode": mode, "tools": tools}:
            return ToolChoice(mode, allowed=[tool["name"] for tool in tools])
    return None


def told(call: Call) -> list[str]:
    """The answer in the words of the page."""
    parts: list[list[str]] = []
    pauses: list[str] = []
    ends: list[str] = []

    def add(kind: str, text: str, key: str | None = None) -> None:
        if parts and parts[-1][0] == kind and key is None:
            parts[-1][1] += text
        else:
            parts.append([kind, text])

    for step in script(call, TARGET):
        match step:
            case Pause(ms):
                pauses.append(str(ms))
            case Hang():
                ends.append("silence")
            case Fail(error):
                words = [error.kind.value, str(error.status or "")]
                after = f", retry after {error.retry_after}" if error.retry_after is not None else ""
                ends.append(f"error: {' '.join(words).strip()}{after}")
            case Say(events):
                for event in events:
                    match event:
                        case TextDelta(text):
                            add("text", text)
                        case RefusalDelta(text):
                            add("refusal", text)
                        case ReasoningDelta(text):
                            add("reasoning", text)
                        case ToolCallStarted(name=name):
                            add(f"call {name}", "", key=name)
                        case ToolCallDelta(_, arguments):
                            parts[-1][1] += arguments
                        case SearchDone(query=query):
                            add("search", query)
                        case Citation(url=url, start=start, end=end):
                            add("cites", f"{parts[-1][1][start:end]}, {url}")
                        case UsageReported(usage):
                            ends.append(
                                f"usage: input {usage.input}, cache_read {usage.cache_read}, output {usage.output}"
                            )
                        case Finished(reason):
                            ends += [f"finish: {reason}"] * (reason != "stop")
    told_pauses = [f"pauses: {' '.join(pauses)}"] if pauses else []
    return told_pauses + [f"{kind}: {text}" for kind, text in parts] + ends


def test_the_page_has_an_example_for_every_directive() -> None:
    """No directive is undocumented."""
    names = ["cached", "cut", "delay", "error", "fail", "filter", "hang", "length", "long", "malformed"]
    for name in [*names, "refuse", "say", "search", "think", "tool", "wait"]:
        assert any(f"[[{name}" in example for example in EXAMPLES), name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][2:50])
def test_the_example_does_what_the_page_says(example: str) -> None:
    """The answer is the one that the page shows."""
    lines = example.strip().split("\n")
    expected = [line for line in lines if not line.startswith(("> ", "+ "))]
    got = [line for line in told(call_of(lines)) if not line.startswith("usage") or "usage" in example]
    assert got == expected
