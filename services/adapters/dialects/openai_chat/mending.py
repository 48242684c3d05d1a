"""Tool calls that some compatible servers write so that clients of OpenAI's cannot read them, mended on the native lane.

Seen: pieces without an index, every call numbered 0, calls without an id, arguments as an object instead of its text.
"""

from typing import TypeAlias

import msgspec

from services.adapters.dialects.openai_chat.wire import Completion, ToolCall

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Numbers = dict[int, str]  # index -> id of the call that has it

_any = msgspec.json.Decoder()


class Mender:
    """Of one answer. What is sound passes as the bytes it came in."""

    def __init__(self) -> None:
        self._choices: dict[int, Numbers] = {}

    def chunk(self, data: bytes, chunk: Completion) -> bytes:
        """A chunk with its calls mended."""
        sick = False
        for choice in chunk.choices or ():
            calls = choice.delta.tool_calls if choice.delta is not None else None
            numbers = self._choices.setdefault(choice.index, {}) if calls else {}
            for call in calls or ():
                sick = sick or not _sound(call, numbers)
                if not sick and call.index is not None and call.id:
                    numbers[call.index] = call.id
        return self._mend(data, "delta") if sick else data

    def answer(self, data: bytes, completion: Completion) -> bytes:
        """A whole answer with its calls mended."""
        calls = [
            call
            for choice in completion.choices or ()
            if choice.message is not None
            for call in choice.message.tool_calls or ()
        ]
        return data if all(call.id and _is_text(call) for call in calls) else self._mend(data, "message")

    def _mend(self, data: bytes, member: str) -> bytes:
        value = _any.decode(data)
        name = value.get("id") or "0"
        for choice in value["choices"]:
            calls = (choice.get(member) or {}).get("tool_calls")
            numbers = self._choices.setdefault(choice.get("index") or 0, {})
            for call in calls or ():
                _mend_call(call, numbers, f"call_{name}", streamed=member == "delta")
        return msgspec.json.encode(value)


def _sound(call: ToolCall, numbers: Numbers) -> bool:
    if call.index is None or not _is_text(call):
        return False
    known = numbers.get(call.index)
    return bool(call.id) if known is None else call.id in (None, "", known)


def _is_text(call: ToolCall) -> bool:
    return call.function is None or not isinstance(call.function.arguments, dict)


def _mend_call(call: dict[str, Json], numbers: Numbers, stem: str, *, streamed: bool) -> None:
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        function["arguments"] = msgspec.json.encode(function["arguments"]).decode()
    given, named = call.get("id"), isinstance(function, dict) and bool(function.get("name"))
    index = call.get("index") if isinstance(call.get("index"), int) else None
    by_id = next((number for number, known in numbers.items() if given and known == given), None)
    if by_id is not None:
        number = by_id
    elif isinstance(index, int) and index in numbers and not (given and named):
        number = index
    elif index is None and numbers and not given and not named:
        number = max(numbers)
    else:
        number = index if isinstance(index, int) and index not in numbers else len(numbers)
    if number not in numbers:
        numbers[number] = str(given or f"{stem}_{number}")
        call["id"] = numbers[number]
    if streamed:
        call["index"] = number
