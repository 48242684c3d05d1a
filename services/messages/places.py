"""Where things stand: paths of the gateway's common words -> paths of the Messages request, for errors and losses.

Rooms below speak of `input[7].content[1]`, `max_output_tokens` or `tools[2].parameters`, whatever the client's format is.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.vocabulary.event import Loss

_ITEM: Final = re.compile(r"\binput\[(\d+)\](?:\.(content|output)\[(\d+)\])?")

# The longest first: each is a whole word of a path, or its beginning.
_NAMES: Final = (
    ("tool_choice.parallel", "tool_choice"),
    ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    ("max_output_tokens", "max_tokens"),
    ("max_tool_calls", "tools.max_uses"),
    ("reasoning.effort", "output_config.effort"),
    ("reasoning.summary", "thinking.display"),
    ("reasoning", "thinking"),
    ("text.format", "output_config.format"),
    ("instructions", "system"),
    ("stop", "stop_sequences"),
    ("user", "metadata.user_id"),
    ("input", "messages"),
)
_NAME: Final = re.compile("|".join(rf"(?:{re.escape(name)})(?=$|[.\[])" for name, _ in _NAMES))
_WORDS: Final = dict(_NAMES)
_TOOL: Final = re.compile(r"^(tools\[\d+\])\.parameters")
_INSIDE: Final = {".output": ".content", ".call_id": ".tool_use_id", ".arguments": ".input"}
_URLS: Final = re.compile(r"\.(image_url|file_url|file_data|file_id)$")


class Place(msgspec.Struct, frozen=True):
    """Where an item came from. path: the message or the block. parts: the path of each of its parts."""

    path: str
    parts: Sequence[str] = ()


class Places:
    """The places of one request's items, in the items' order."""

    def __init__(self, items: Sequence[Place]) -> None:
        self._items = items

    def path(self, param: str) -> str:
        """The same place in the client's words."""
        if (found := _ITEM.match(param)) is not None:
            rest = param[found.end() :]
            return self._item(found) + _URLS.sub(".source", _INSIDE.get(rest, rest))
        param = _TOOL.sub(r"\1.input_schema", param)
        return _NAME.sub(lambda word: _WORDS[word[0]], param, count=1) if _NAME.match(param) else param

    def loss(self, loss: Loss) -> Loss:
        """The loss in the client's words."""
        return Loss(self.path(loss.param), loss.action, loss.detail)

    def error(self, error: InvalidRequest) -> InvalidRequest:
        """The error, in the client's words."""
        if error.param is not None:
            param = self.path(error.param)
            error.message = _ITEM.sub(self._item, error.message.replace(f"(at {error.param})", f"(at {param})"))
            error.param = param
            if (
                param not in error.message and "(at " not in error.message
            ):  # clients mostly show no more than the message
                error.message = f"{error.message.removesuffix('.')} (at {param})."
        return error

    def _item(self, found: re.Match[str]) -> str:
        index = int(found[1])
        if index >= len(self._items):
            return found[0]
        place = self._items[index]
        if found[3] is None:
            return place.path
        part = int(found[3])
        return place.parts[part] if part < len(place.parts) else place.path
