"""Pieces of a message -> the message, as any reader of the stream would put it together."""

from typing import Final

import msgspec
from msgspec import UNSET

from services.chat.objects import (
    AssistantMessage,
    CalledFunction,
    ChatAnnotation,
    Delta,
    FileReference,
    Logprobs,
    ReasoningDetail,
    ToolCallObject,
)
from services.chat.projection import Piece

_tokens: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Fold:
    """Adds pieces up."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._details: list[ReasoningDetail] = []
        self._calls: list[tuple[ToolCallObject, list[str]]] = []
        self._function: tuple[str, list[str]] | None = None
        self._annotations: list[ChatAnnotation] = []
        self._files: list[FileReference] = []
        self._logprobs: list[msgspec.Raw] = []

    def add(self, piece: Piece) -> None:
        """The next piece."""
        delta = piece.delta
        if piece.logprobs is not None:
            self._logprobs += _tokens.decode(piece.logprobs)
        if delta.content is not None:
            self._content.append(delta.content)
        elif delta.reasoning is not None:
            self._reasoning.append(delta.reasoning)
        elif delta.refusal is not None:
            self._refusal.append(delta.refusal)
        else:
            self._add_rest(delta)

    def _add_rest(self, delta: Delta) -> None:
        self._details += delta.reasoning_details or ()
        self._annotations += delta.annotations or ()
        self._files += delta.file_citations or ()
        for call in delta.tool_calls or ():
            self._add_call(call)
        if (called := delta.function_call) is not None:
            if self._function is None:
                self._function = (called.name or "", [])  # the first piece has the name
            self._function[1].append(called.arguments)

    def _add_call(self, call: ToolCallObject) -> None:
        if call.id is not None:
            self._calls.append((call, []))
        assert call.index is not None
        text = call.custom.input if call.custom is not None else call.function.arguments if call.function else ""
        self._calls[call.index][1].append(text)

    def message(self) -> tuple[AssistantMessage, Logprobs | None]:
        """The message, and the log probabilities of its content."""
        reasoning = "".join(self._reasoning) or UNSET
        silent = not self._content and (self._calls or self._function or self._refusal)
        message = AssistantMessage(
            content=None if silent else "".join(self._content),
            refusal="".join(self._refusal) or None,
            annotations=self._annotations,
            reasoning_content=reasoning,
            reasoning=reasoning,
            reasoning_details=self._details or UNSET,
            tool_calls=[_whole(call, "".join(pieces)) for call, pieces in self._calls] or UNSET,
            function_call=_called(self._function) if self._function is not None else UNSET,
            file_citations=self._files or UNSET,
        )
        return message, Logprobs(self._logprobs) if self._logprobs else None


def _called(function: tuple[str, list[str]]) -> CalledFunction:
    name, pieces = function
    return CalledFunction(name, "".join(pieces))


def _whole(call: ToolCallObject, text: str) -> ToolCallObject:
    if call.custom is not None:
        return ToolCallObject(None, call.id, call.type, custom=msgspec.structs.replace(call.custom, input=text))
    assert call.function is not None
    function = msgspec.structs.replace(call.function, arguments=text)
    return ToolCallObject(None, call.id, call.type, function=function)
