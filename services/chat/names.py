"""What the other rooms call by the names of the Responses API, in the words of the body the client sent.

Errors and losses name parameters (`input[5].content[1]`, `reasoning.effort`). A chat client knows them as
`messages[3].content[1]` and `reasoning_effort`.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from services.errors import GatewayError
from services.vocabulary.event import Loss

_PLACE: Final = re.compile(r"(input|tools)\[(\d+)\](.*)", re.DOTALL)

_FIELDS: Final = {
    "input": "messages",
    "include": "logprobs",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.format.name": "response_format.json_schema.name",
    "text.format.schema": "response_format.json_schema.schema",
    "text.verbosity": "verbosity",
}

_INSIDE_ITEM: Final = {".output": ".content", ".call_id": ".tool_call_id", ".arguments": ".function.arguments"}
_INSIDE_TOOL: Final = (".name", ".description", ".parameters", ".strict", ".format")


class Names(msgspec.Struct, frozen=True):
    """Of one request.

    items: where each item of the call stands in the body. tools: the same for tools, with the object that holds a tool's
    own fields, if they are nested in one. fields: parameters with another name there. implied: what the client did not
    ask for in so many words, and so cannot miss.
    """

    items: list[str]
    tools: list[tuple[str, str]]
    fields: dict[str, str]
    implied: list[str] = []

    def param(self, path: str) -> str:
        """The client's name of a parameter."""
        found = _PLACE.fullmatch(path)
        if found is None:
            return self.fields.get(path.partition("[")[0], path)
        index, rest = int(found[2]), found[3]
        if index >= len(self.tools if found[1] == "tools" else self.items):
            return path
        if found[1] == "tools":
            place, inner = self.tools[index]
            if rest == ".type" and "[" not in place:  # `web_search_options`, which is no tool and has no type
                return place
            return f"{place}.{inner}{rest}" if inner and rest.startswith(_INSIDE_TOOL) else place + rest
        place = self.items[index]
        if place.startswith("messages"):
            for ours, theirs in _INSIDE_ITEM.items():
                if rest.startswith(ours):
                    return place + theirs + rest[len(ours) :]
        return place + rest

    def losses(self, given: Sequence[Loss]) -> list[Loss]:
        """One loss for each parameter, in the client's words."""
        named = {
            (name := self.param(loss.param)): Loss(name, loss.action, loss.detail)
            for loss in given
            if loss.param not in self.implied
        }
        return list(named.values())

    def said(self, error: GatewayError) -> GatewayError:
        """The error, its parameter in the client's words wherever it names it."""
        if error.param is not None:
            name = self.param(error.param)
            if name != error.param:
                for pattern in ("(at {})", "`{}`"):
                    error.message = error.message.replace(pattern.format(error.param), pattern.format(name))
                error.param = name
        return error


def fields_of(given: set[str]) -> dict[str, str]:
    """Parameters with another name in a body with these fields."""
    if "input" in given:
        return {}
    names = {ours: theirs for ours, theirs in _FIELDS.items() if ours.partition(".")[0] not in given}
    limit = "max_tokens" if "max_tokens" in given else "max_completion_tokens"
    return names if "max_output_tokens" in given else {**names, "max_output_tokens": limit}
