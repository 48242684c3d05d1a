"""Events -> what a chat message gains, piece by piece. The only place that numbers calls and reasoning details.

The format has one message with a few fields where other formats have a list of items, so this joins what came apart: text
before and after a call is one content, and the places of citations count from its beginning. What order is lost with that and
matters for later turns is kept in the ids of `reasoning_details` (intake_reasoning.py).
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from services.chat.citations import Citations
from services.chat.intake_reasoning import detail_id
from services.chat.objects import CalledCustom, CalledFunction, Delta, FinishReason, ReasoningDetail, ToolCallObject
from services.vocabulary import event as events_of
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    HostedItem,
    ItemDone,
    Opened,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.seal import seal
from services.vocabulary.usage import Usage

_FINISH: Final[dict[events_of.FinishReason, FinishReason]] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "pause": "stop",
}
_GAP: Final = "\n\n"


class Piece(NamedTuple):
    """What the message gains. logprobs: the raw array of token objects of its text."""

    delta: Delta
    logprobs: msgspec.Raw | None = None


class _Call:
    """A call under way. index: its place among `tool_calls`; None for the one that is answered as `function_call`."""

    __slots__ = ("custom", "index", "some")

    def __init__(self, index: int | None, *, custom: bool) -> None:
        self.index = index
        self.custom = custom
        self.some = False  # it has arguments


class _Thought:
    """A reasoning item under way."""

    __slots__ = ("id", "open", "sealed", "texts")

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.open: tuple[str, int] | None = None
        self.texts: list[tuple[str, list[str]]] = []  # kind and pieces of each part
        self.sealed: str | None = None


class Projection:
    """One answer. `stem`: of its id. legacy: the first call is answered as `function_call`."""

    def __init__(self, opened: Opened, stem: str, *, legacy: bool = False) -> None:
        self._opened = opened
        self._stem = stem
        self._legacy = legacy
        self._open: Literal["text", "refusal"] | None = None
        self._thought: _Thought | None = None
        self._thoughts = 0
        self._details = 0
        self._parts = 0  # of the message: its content as one, then each call
        self._calls: dict[str, _Call] = {}
        self._count = 0  # of calls
        self._refused = False
        self._gap = False  # something stood between the text so far and what comes
        self._ends_blank = True
        self._citations = Citations()
        self.usage: Usage | None = None
        self.finished: Finished | None = None

    @property
    def finish_reason(self) -> FinishReason:
        """Why the answer ended. Only after `Finished`."""
        assert self.finished is not None
        if self.finished.reason == "refusal":
            return "stop" if self._refused else "content_filter"
        reason = _FINISH[self.finished.reason]
        return "function_call" if self._legacy and reason == "tool_calls" else reason

    def feed(self, events: Sequence[Event]) -> list[Piece]:
        """What these events add to the message."""
        out: list[Piece] = []
        for event in events:
            self._one(event, out)
        return out

    def _one(self, event: Event, out: list[Piece]) -> None:
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                self._text(text, logprobs, out)
            case ToolCallDelta(key=key, arguments=arguments):
                self._arguments(self._calls[key], arguments, out)
            case ReasoningDelta():
                self._reason(event, out)
            case RefusalDelta(text=text):
                self._begin("refusal", out)
                self._refused = True
                out.append(Piece(Delta(refusal=text)))
            case TextBlock():
                self._begin("text", out)
                self._citations.block()
            case Citation():
                self._begin("text", out)
                self._citations.add(event)
            case ReasoningSealed(blob=blob, kind=kind):
                thought = self._thinking(out)
                if blob or kind:  # a kind alone says what the readable text is
                    thought.sealed = seal(blob, self._opened.provider, self._opened.scope, kind)
                self._close(out)
            case ToolCallStarted():
                self._close(out)
                self._gap = True
                self._call(event, out)
            case ToolCallDone(key=key):
                self._end_call(key, out)
            case SearchStarted() | SearchDone() | HostedItem():
                self._close(out)
                self._gap = True
            case ItemDone():
                self._close(out)
            case UsageReported(usage=usage):
                self.usage = usage
            case Finished():
                self.finished = event
                self._finish(out)
            case _:
                pass  # Opened came before; native events belong to the native lane

    # ---- text --------------------------------------------------------------------------------------------------------

    def _text(self, text: str, logprobs: msgspec.Raw | None, out: list[Piece]) -> None:
        if self._open != "text":
            self._begin("text", out)
        if self._gap:
            self._gap = False
            if not self._ends_blank:
                self._citations.skip(len(_GAP))
                out.append(Piece(Delta(content=_GAP)))
        self._citations.said(len(text))
        if text:
            self._ends_blank = text[-1].isspace()
        out.append(Piece(Delta(content=text), logprobs))

    def _begin(self, kind: Literal["text", "refusal"], out: list[Piece]) -> None:
        if self._open == kind:
            return
        self._close(out)
        self._open = kind
        if kind == "text":
            self._citations.begin()
        if self._parts == self._count:  # the content is one part, however often it is interrupted
            self._parts += 1

    def _close(self, out: list[Piece]) -> None:
        """Ends the open text or reasoning, because it is complete or because something else begins."""
        if self._open == "text":
            self._citations.end()
        self._open = None
        if self._thought is not None:
            self._tell(self._thought, out)
            self._thought = None

    def _finish(self, out: list[Piece]) -> None:
        self._close(out)
        for key in list(self._calls):
            self._end_call(key, out)
        pages, files = self._citations.public()
        if pages or files:  # all at once: readers of streams add up lists only where entries are numbered
            out.append(Piece(Delta(annotations=pages or None, file_citations=files or None)))

    # ---- reasoning ---------------------------------------------------------------------------------------------------

    def _thinking(self, out: list[Piece]) -> _Thought:
        if self._thought is None:
            self._close(out)
            self._thought = _Thought(detail_id(self._stem, self._parts, self._thoughts))
            self._thoughts += 1
        return self._thought

    def _reason(self, event: ReasoningDelta, out: list[Piece]) -> None:
        thought, text = self._thinking(out), event.text
        if thought.open != (event.kind, event.part):
            thought.open = (event.kind, event.part)
            thought.texts.append((event.kind, []))
            if self._details or len(thought.texts) > 1:
                out.append(Piece(Delta(reasoning_content=_GAP, reasoning=_GAP)))
        thought.texts[-1][1].append(text)
        out.append(Piece(Delta(reasoning_content=text, reasoning=text)))

    def _tell(self, thought: _Thought, out: list[Piece]) -> None:
        """The item as a whole, to be sent back in the next turn."""
        details = []
        for kind, pieces in thought.texts:
            text = "".join(pieces)
            if kind == "summary":
                details.append(ReasoningDetail("reasoning.summary", thought.id, summary=text))
            else:
                details.append(ReasoningDetail("reasoning.text", thought.id, text=text))
        if thought.sealed is not None:
            details.append(ReasoningDetail("reasoning.encrypted", thought.id, data=thought.sealed))
        for detail in details:
            detail.index = self._details
            self._details += 1
        if details:
            out.append(Piece(Delta(reasoning_details=details)))

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _call(self, event: ToolCallStarted, out: list[Piece]) -> None:
        number = self._count
        self._count += 1
        self._parts += 1
        legacy = self._legacy and number == 0 and not event.custom
        index = None if legacy else number - 1 if self._legacy and number else number
        self._calls[event.key] = _Call(index, custom=event.custom)
        if legacy:
            out.append(Piece(Delta(function_call=CalledFunction(event.name))))
            return
        made = ToolCallObject(index, event.call_id or f"call_{self._stem}{number:02x}")
        if event.custom:
            made.type, made.custom = "custom", CalledCustom(event.name)
        else:
            made.type, made.function = "function", CalledFunction(event.name)
        out.append(Piece(Delta(tool_calls=[made])))

    def _arguments(self, call: _Call, text: str, out: list[Piece]) -> None:
        if not text:
            return
        call.some = True
        if call.index is None:
            out.append(Piece(Delta(function_call=CalledFunction(arguments=text))))
        elif call.custom:
            out.append(Piece(Delta(tool_calls=[ToolCallObject(call.index, custom=CalledCustom(input=text))])))
        else:
            out.append(Piece(Delta(tool_calls=[ToolCallObject(call.index, function=CalledFunction(arguments=text))])))

    def _end_call(self, key: str, out: list[Piece]) -> None:
        call = self._calls.pop(key, None)
        cut = self.finished is not None and self.finished.reason in ("length", "content_filter")
        if call is not None and not call.some and not call.custom and not cut:
            self._arguments(call, "{}", out)  # a function without arguments: clients parse the text as JSON
