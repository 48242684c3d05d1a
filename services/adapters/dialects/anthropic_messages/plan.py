"""What is settled before anything is written, and what the reader of the answer has to know as well.

Both sides make the same plan from the same call, so that names and emulations are undone exactly as they were done.
"""

import re
from typing import Final, Literal

import msgspec

from services.adapters.dialects.anthropic_messages.models import Traits, traits
from services.adapters.dialects.anthropic_messages.schemas import fits
from services.catalog.schema import Target
from services.vocabulary.call import Call, CustomTool, FunctionTool

_NAME_MAX: Final = 128  # https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
_BAD: Final = re.compile(r"[^a-zA-Z0-9_-]")

Shape = Literal["text", "schema", "tool", "instruction"]


class Plan(msgspec.Struct, frozen=True):
    """shape: how the answer's format is asked for: not at all, natively, as the input of a forced tool, in words.

    shape_tool: that tool's name. renamed: public tool names that Anthropic would refuse -> what it knows them by;
    public: the same the other way round. custom: names (Anthropic's) of tools that take free text.
    thoughts: what readable thinking is to the client: a summary, if it asked for one, else the content of the reasoning.
    """

    traits: Traits
    shape: Shape = "text"
    shape_tool: str = ""
    renamed: dict[str, str] = {}
    public: dict[str, str] = {}
    custom: frozenset[str] = frozenset()
    thoughts: Literal["summary", "content"] = "content"

    def wire_name(self, name: str) -> str:
        """What Anthropic knows a tool by. Names of tools that are no longer offered are made acceptable alike."""
        return self.renamed.get(name) or acceptable(name)


def plan(call: Call, target: Target) -> Plan:
    """The plan of a call."""
    accepts = traits(target.upstream, target.facts)
    tools = [tool for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)]
    renamed = _renamed([tool.name for tool in tools])
    taken = {renamed.get(tool.name, tool.name) for tool in tools}
    shape = _shape(call, accepts)
    return Plan(
        traits=accepts,
        shape=shape,
        shape_tool=_free(acceptable((call.format and call.format.name) or "answer"), taken) if shape == "tool" else "",
        renamed=renamed,
        public={wire: name for name, wire in renamed.items()},
        custom=frozenset(renamed.get(tool.name, tool.name) for tool in tools if isinstance(tool, CustomTool)),
        thoughts="summary" if call.reasoning is not None and call.reasoning.summary is not None else "content",
    )


def asks_to_think(call: Call) -> bool:
    """Whether the client wants thinking, by an effort or a budget."""
    asked = call.reasoning
    return asked is not None and (asked.effort not in (None, "none") or bool(asked.budget_tokens))


def acceptable(name: str) -> str:
    """The name in the letters Anthropic allows (a-z, A-Z, 0-9, _ and -)."""
    return _BAD.sub("_", name)[:_NAME_MAX]


def _renamed(names: list[str]) -> dict[str, str]:
    taken = {name for name in names if acceptable(name) == name}
    renamed: dict[str, str] = {}
    for name in names:
        if name not in taken and name not in renamed:
            renamed[name] = _free(acceptable(name), taken)
            taken.add(renamed[name])
    return renamed


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free = f"{name[: _NAME_MAX - 4]}_{number}"
        number += 1
    return free


def _shape(call: Call, accepts: Traits) -> Shape:
    if call.format is None or call.format.type == "text":
        return "text"
    if call.format.type == "json_object" or call.format.schema is None:
        return "instruction"
    if accepts.schemas and fits(call.format.schema):
        return "schema"
    choice = call.tool_choice
    if choice is not None and choice.mode == "required":
        return "text"  # this turn is a call of the client's tool; the format is for the turns after it
    thinks = accepts.thinking == "budget" and asks_to_think(call)  # which no forced tool goes with
    return "tool" if accepts.forced_tools and not thinks else "instruction"
