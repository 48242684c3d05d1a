"""`messages` of a chat request -> items of a `Call`, each with the place where it stands in the body.

One message may be several items: an assistant's is its reasoning, its text and its calls. Clients mix formats, so an entry
that is an item of the Responses API is read as one, and the blocks of the Messages API (`tool_use`, `tool_result`) are found
among the content parts (intake_parts.py).
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from services.chat.intake_parts import Block, read_parts
from services.chat.intake_reasoning import Thought, read_thoughts
from services.errors import InvalidRequest
from services.responses.intake_items import ITEM_TYPES, read_item
from services.responses.reading import cache
from services.responses.schema import CacheControl, NonEmpty
from services.surface.reading import decode
from services.vocabulary.call import Item, Message, Opaque, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult

ChatRole = Literal["developer", "system", "user", "assistant", "tool", "function"]


class _Called(msgspec.Struct, frozen=True):
    name: NonEmpty
    arguments: str


class _CustomCalled(msgspec.Struct, frozen=True):
    name: NonEmpty
    input: str


class _Call(msgspec.Struct, frozen=True):
    id: NonEmpty
    function: _Called | None = None
    custom: _CustomCalled | None = None


class _Message(msgspec.Struct, frozen=True):
    role: ChatRole | None = None
    type: str | None = None
    content: str | list[msgspec.Raw] | None = None
    tool_call_id: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Called | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: msgspec.Raw = msgspec.Raw()
    reasoning_details: list[msgspec.Raw] | None = None
    audio: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None
    cache_control: CacheControl | None = None
    phase: str | None = None


_message = msgspec.json.Decoder(_Message)
_NULL: Final = (b"", b"null")


class Conversation:
    """Items as they are read, and where each stands. `places[i]` is that of item i."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.places: list[str] = []
        self._custom: set[str] = set()  # ids of calls of custom tools
        self._legacy: dict[str, str] = {}  # function name -> id of its last call without a result
        self.pure = True  # every entry is of the chat format

    def read(self, given: Sequence[msgspec.Raw], name: str) -> None:
        """All entries of the list called `name`."""
        if not given:
            raise InvalidRequest(f"`{name}` must not be empty.", param=name)
        for index, raw in enumerate(given):
            self._entry(raw, f"{name}[{index}]")

    def say(self, text: str, place: str) -> None:
        """A message of the user's."""
        self._add(Message("user", [Text(text)]), place)

    def _add(self, item: Item, place: str) -> None:
        self.items.append(item)
        self.places.append(place)

    def _add_all(self, blocks: list[Block]) -> None:
        for item, place in blocks:
            self._add(item, place)

    def _entry(self, raw: msgspec.Raw, place: str) -> None:
        given = decode(raw, _message, place)
        if given.type is not None and given.type != "message":
            self.pure = False
            if given.type not in ITEM_TYPES and given.role is not None:
                raise InvalidRequest(f"Not a type of message: {given.type!r} (at {place}.type).", param=f"{place}.type")
            item = read_item(raw, place)
            if isinstance(item, ToolCall) and item.custom:
                self._custom.add(item.call_id)
            self._add(item, place)
            return
        match given.role:
            case None:
                raise InvalidRequest(f"Object missing required field `role` (at {place}.role).", param=f"{place}.role")
            case "assistant":
                self._assistant(given, place)
            case "tool":
                self._result(given, given.tool_call_id, "tool_call_id", place)
            case "function":
                self._result(given, self._legacy.pop(given.name or "", None), "name", place)
            case role:
                self._said(given, role, place)

    def _said(self, given: _Message, role: Role, place: str) -> None:
        if given.content is None or given.content == []:
            raise InvalidRequest(f"A {role} message needs content (at {place}.content).", param=f"{place}.content")
        parts, blocks = self._parts(given, place)
        self._add_all(blocks)  # results of tools come first: they answer what was said before
        if parts or given.content == "":
            self._add(Message(role, parts, phase=given.phase), place)

    def _assistant(self, given: _Message, place: str) -> None:
        thoughts = self._thoughts(given, place)
        spoken = 0  # how many parts of the message came: its content as one, then each call
        parts, blocks = self._parts(given, place)
        if given.refusal:
            parts.append(Refusal(given.refusal))
        if bytes(given.audio).strip() not in _NULL:
            parts.append(Opaque("audio", given.audio))
        calls = given.tool_calls or ()
        if given.content is None and not (parts or calls or given.function_call or thoughts):
            raise InvalidRequest(
                f"An assistant message needs content or tool calls (at {place}.content).", param=f"{place}.content"
            )
        self._add_all([block for block in blocks if isinstance(block[0], Reasoning)])
        if any(not isinstance(part, Text) or part.text for part in parts) or (parts and not calls and not thoughts):
            self._think(thoughts, spoken)
            self._add(Message("assistant", parts, phase=given.phase), place)
            spoken += 1
        self._add_all([block for block in blocks if not isinstance(block[0], Reasoning)])
        for index, call in enumerate(calls):
            self._think(thoughts, spoken)
            self._add(self._called(call, f"{place}.tool_calls[{index}]"), f"{place}.tool_calls[{index}]")
            spoken += 1
        if given.function_call is not None:
            self._think(thoughts, spoken)
            called = given.function_call
            call_id = self._legacy[called.name] = f"call_legacy_{len(self.items)}"  # the same for the same conversation
            self._add(ToolCall(call_id, called.name, called.arguments), f"{place}.function_call")
        self._think(thoughts, len(self.items))

    def _called(self, call: _Call, place: str) -> ToolCall:
        if call.custom is not None:
            self._custom.add(call.id)
            return ToolCall(call.id, call.custom.name, call.custom.input, custom=True)
        if call.function is None:
            raise InvalidRequest(
                f"Object missing required field `function` (at {place}.function).", param=f"{place}.function"
            )
        return ToolCall(call.id, call.function.name, call.function.arguments)

    def _think(self, thoughts: list[Thought], before: int) -> None:
        """Adds the reasoning that came before this part of the message."""
        while thoughts and thoughts[0].position <= before:
            thought = thoughts.pop(0)
            self._add(thought.item, thought.place)

    def _result(self, given: _Message, call_id: str | None, field: str, place: str) -> None:
        if not call_id:
            why = (
                "A tool message needs the id of its call"
                if field == "tool_call_id"
                else "No function of this name was called"
            )
            raise InvalidRequest(f"{why} (at {place}.{field}).", param=f"{place}.{field}")
        output, _ = self._parts(given, place)
        marker = cache(given.cache_control)
        custom = call_id in self._custom
        self._add(ToolResult(call_id, output, is_error=bool(given.is_error), custom=custom, cache=marker), place)

    def _thoughts(self, given: _Message, place: str) -> list[Thought]:
        if given.reasoning_details or given.reasoning_content or bytes(given.reasoning):
            return read_thoughts(given.reasoning_details, given.reasoning_content, given.reasoning, place)
        return []

    def _parts(self, given: _Message, place: str) -> tuple[list[Part], list[Block]]:
        """The parts that belong to the message, and the blocks among them that are items of their own."""
        marker = cache(given.cache_control) if given.role != "tool" else None
        if isinstance(given.content, str):
            return [Text(given.content, marker)], []
        content = read_parts(given.content or [], f"{place}.content", marker)
        self.pure = self.pure and content.pure
        return content.parts, content.items
