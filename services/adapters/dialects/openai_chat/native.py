"""The native lane's way back: the provider's chunks and answers, verbatim, with what billing and routing need of them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_chat.errors import stream_error
from services.adapters.dialects.openai_chat.mending import Mender
from services.adapters.dialects.openai_chat.reader import FAILED, FINISH, disjoint
from services.adapters.dialects.openai_chat.wire import Completion, Usage, decode
from services.adapters.dialects.runs import RUN
from services.vocabulary.call import Call, WebSearchTool
from services.vocabulary.event import Event, Finished, NativeAnswer, NativeEvent, UsageReported
from services.wire.frame import Frame

LAST: Final = "last"
"""The name of a chunk that ends a choice or counts tokens. All others have none."""

_CITED: Final = (b'"annotations":[{', b'"citations":["')


class _Tap:
    """What billing and routing need of an answer."""

    def __init__(self, call: Call) -> None:
        self._searches = any(isinstance(tool, WebSearchTool) for tool in call.tools)
        self._cited = False
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._called = False
        self.finish: str | None = None

    def skim(self, data: bytes) -> None:
        """Bytes that are not looked at otherwise."""
        if self._searches and not self._cited:
            self._cited = any(mark in data for mark in _CITED)

    def read(self, completion: Completion) -> bool:
        """Takes a chunk or an answer; whether it ends a choice or counts tokens."""
        groq = completion.x_groq.usage if completion.x_groq is not None else None
        usage = completion.usage or groq
        self._usage = usage or self._usage
        self._tier = completion.service_tier or self._tier
        ends = usage is not None
        for choice in completion.choices or ():
            message = choice.delta or choice.message
            self._called = self._called or bool(message is not None and message.tool_calls)
            if choice.finish_reason:
                ends = True
                self.finish = self.finish or choice.finish_reason
                if choice.finish_reason in FAILED:
                    why = f"the provider gave up: {choice.finish_reason}"
                    raise UpstreamError(Kind.FAILED, why, code=choice.finish_reason)
        return ends

    def ending(self) -> list[Event]:
        """Usage and finish. Raises for an answer that has no end."""
        if self.finish is None:
            raise UpstreamError(Kind.TRUNCATED, "the provider's answer ended without a finish reason")
        reason = FINISH.get(self.finish, "stop")
        if reason == "stop" and self._called:
            reason = "tool_calls"
        searches = 1 if self._cited else 0
        counted = [UsageReported(disjoint(self._usage, searches, self._tier))] if self._usage is not None else []
        return [*counted, Finished(reason)]


def native_answer(body: bytes, call: Call) -> Sequence[Event]:
    """A whole answer, verbatim, with what billing and routing need of it."""
    completion = _read(body)
    tap = _Tap(call)
    tap.skim(body)
    tap.read(completion)
    if tap.finish is None:
        raise UpstreamError(Kind.PROTOCOL, "the provider's answer holds no finished choice")
    return [*tap.ending(), NativeAnswer(Mender().answer(body, completion))]


class NativeDecoder:
    """Frames -> native events. Only chunks that are no plain deltas are parsed."""

    def __init__(self, call: Call) -> None:
        self._tap = _Tap(call)
        self._mender = Mender()
        self._done = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """The chunk, verbatim; at the end of the stream, usage and finish."""
        data = frame.data
        if self._done:
            return ()
        if frame.event == RUN:
            self._tap.skim(data)
            return (NativeEvent("", data),)
        if data == b"[DONE]":
            self._done = True
            return self._tap.ending()
        if frame.event == "error":
            raise stream_error(data)
        chunk = _read(data)
        self._tap.skim(data)
        ends = self._tap.read(chunk)
        data = _line(self._mender.chunk(data, chunk))
        return (NativeEvent(LAST, data) if ends else NativeEvent("", b"data: %b\n\n" % data),)

    def close(self) -> Sequence[Event]:
        """Nothing is left after `[DONE]`; without it the stream was cut."""
        if not self._done:
            raise UpstreamError(Kind.TRUNCATED, "the provider's stream ended before [DONE]")
        return ()


def _read(data: bytes) -> Completion:
    try:
        completion = decode(data)
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"the provider's answer is not of the chat format: {error}") from error
    if completion.failed:
        raise stream_error(data)
    return completion


def _line(data: bytes) -> bytes:
    """The data as one line. Line ends between JSON tokens mean nothing, and inside strings they are escaped."""
    return data.replace(b"\n", b" ") if b"\n" in data else data
