"""Events -> the message and its stream. The only place that makes public blocks: it owns ids, indices and order."""

import re
from collections.abc import Sequence
from typing import Final

from services.messages.objects import (
    STOP_REASONS,
    AnthropicMessage,
    Block,
    BlockDelta,
    BlockStart,
    BlockStop,
    MessageDelta,
    MessageStart,
    MessageStop,
    RedactedBlock,
    SearchError,
    SearchHit,
    SearchInput,
    SearchResultBlock,
    ServerToolUseBlock,
    StopDelta,
    StopDetails,
    TextContent,
    WebCitation,
    public_usage,
)
from services.messages.objects import Event as PublicEvent
from services.messages.open_blocks import OpenBlock, OpenCall, OpenText, OpenThinking, Proof, Ready
from services.surface.cost import public_cost
from services.vocabulary.cost import Cost
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    ItemDone,
    Loss,
    Opened,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    SearchDone,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.seal import seal
from services.vocabulary.usage import Usage

_ID: Final = re.compile(r"[a-zA-Z0-9_-]{9,64}")  # what Anthropic takes back, and long enough to be the only one
_AFTER_TEXT: Final = Loss(
    "content", "dropped", "Proof of reasoning after the last text, which clients take for the end."
)
OUR_SEARCH: Final = "srvtoolu_cn1_"
"""How ids of searches begin that another provider made: its own models would refuse them."""


class Projection:
    """One answer. `message` is what is known from its beginning: id, model, routing and losses."""

    def __init__(self, message: AnthropicMessage, opened: Opened) -> None:
        self.message = message
        self.finished: Finished | None = None
        self._opened = opened
        self._stem = message.id.removeprefix("msg_")
        self._queue: list[OpenBlock] = []  # the first one speaks, the others wait
        self._calls: dict[str, OpenCall] = {}
        self._content: list[Block] = []
        self._index = 0
        self._usage: Usage | None = None
        self._refusal: list[str] = []
        self._called = False

    def start(self) -> PublicEvent:
        """The event every stream begins with."""
        return MessageStart(self.message)

    def feed(self, events: Sequence[Event]) -> list[PublicEvent]:
        """What these events are to the public. `Finished` closes all blocks; `complete` then ends the stream."""
        for event in events:
            self._one(event)
        out: list[PublicEvent] = []
        self._drain(out)
        return out

    def complete(self, cost: Cost | None) -> list[PublicEvent]:
        """The last two events of an answer that came to its end; the message is then final."""
        finished, message = self.finished, self.message
        assert finished is not None
        message.content = self._content
        message.stop_reason = STOP_REASONS[finished.reason]
        if finished.stop_sequence is not None:
            message.stop_reason, message.stop_sequence = "stop_sequence", finished.stop_sequence
        elif self._refusal and finished.reason == "stop":
            message.stop_reason = "refusal"
        elif self._called and finished.reason == "stop":
            message.stop_reason = "tool_use"
        if message.stop_reason == "refusal":
            message.stop_details = StopDetails(explanation="".join(self._refusal) or None)
        message.usage = public_usage(self._usage or Usage())
        message.cost = public_cost(cost)
        stop = StopDelta(message.stop_reason, message.stop_sequence, message.stop_details)
        last = MessageDelta(stop, message.usage, message.cost, message.routing, message.translation_losses)
        return [last, MessageStop()]

    # ---- one event ---------------------------------------------------------------------------------------------------

    def _one(self, event: Event) -> None:
        match event:
            case TextDelta(text=text):
                if text:  # a block that says nothing would be refused when it is sent back
                    self._text().say(text)
            case ToolCallDelta(key=key, arguments=arguments):
                self._calls[key].add(arguments)
            case ReasoningDelta(text=text, part=part):
                self._thinking().think(text, part)
            case RefusalDelta(text=text):
                self._refusal.append(text)
                self._text().say(text)
            case TextBlock():
                if (last := self._last()) is not None and isinstance(last, OpenText) and not last.empty:
                    last.end()
            case Citation():
                self._cite(event)
            case ReasoningSealed(blob=blob, kind=kind):
                self._sealed(blob, kind)
            case ToolCallStarted():
                self._call(event)
            case ToolCallDone(key=key):
                self._calls.pop(key).end()
            case SearchDone():
                self._searched(event)
            case ItemDone():
                self._end_said()
            case UsageReported(usage=usage):
                self._usage = usage
            case Finished():
                self._finish(event)
            case _:
                pass  # items of other APIs' hosted tools, which a Messages request cannot ask for

    def _last(self) -> OpenBlock | None:
        return self._queue[-1] if self._queue and not self._queue[-1].ended else None

    def _text(self) -> OpenText:
        last = self._last()
        if isinstance(last, OpenText):
            return last
        self._end_said()
        text = OpenText()
        self._queue.append(text)
        return text

    def _thinking(self) -> OpenThinking:
        last = self._last()
        if isinstance(last, OpenThinking):
            return last
        self._end_said()
        thinking = OpenThinking(self._tag("", ""))
        self._queue.append(thinking)
        return thinking

    def _sealed(self, blob: str, kind: str) -> None:
        last = self._last()
        if isinstance(last, OpenThinking):
            last.sign(self._tag(blob, kind))
            last.end()
        elif blob:
            self._end_said()
            self._queue.append(Proof(RedactedBlock(self._tag(blob, kind))))

    def _call(self, started: ToolCallStarted) -> None:
        self._end_said()
        self._called = True
        number = self._index + len(self._queue)
        id = started.call_id if _ID.fullmatch(started.call_id) else f"toolu_{self._stem}{number:02x}"
        call = self._calls[started.key] = OpenCall(id, started.name)
        self._queue.append(call)

    def _searched(self, done: SearchDone) -> None:
        self._end_said()
        id = f"{OUR_SEARCH}{self._stem}{self._index + len(self._queue):02x}"
        tag = self._tag("", "search")
        found = SearchError() if done.failed else [SearchHit(url, url, tag) for url in done.sources]
        self._queue += (Ready(ServerToolUseBlock(id, SearchInput(done.query))), Ready(SearchResultBlock(id, found)))

    def _cite(self, citation: Citation) -> None:
        last = self._last()
        if isinstance(last, OpenText) and citation.url is not None:
            tag = self._tag("", "citation")
            last.cite(WebCitation(citation.url, citation.title, tag, citation.cited_text or ""))

    def _tag(self, blob: str, kind: str) -> str:
        return seal(blob, self._opened.provider, self._opened.scope, kind)

    # ---- order -------------------------------------------------------------------------------------------------------

    def _end_said(self) -> None:
        """What was said or thought ends where something else begins; calls end by themselves."""
        if self._queue and isinstance(self._queue[-1], OpenText | OpenThinking):
            self._queue[-1].end()

    def _finish(self, finished: Finished) -> None:
        self.finished = finished
        if self._ends_with_proof():
            self._queue.pop()
            self.message.translation_losses = [*self.message.translation_losses, _AFTER_TEXT]
        for block in self._queue:
            block.end()

    def _ends_with_proof(self) -> bool:
        """Whether the last block is a proof that came after text. It goes out only when something follows it."""
        if not self._queue or not isinstance(self._queue[-1], Proof):
            return False
        if len(self._queue) > 1:
            return isinstance(self._queue[-2], OpenText)
        return bool(self._content) and isinstance(self._content[-1], TextContent)

    def _drain(self, out: list[PublicEvent]) -> None:
        while self._queue:
            if len(self._queue) == 1 and self._ends_with_proof():
                return
            block, index = self._queue[0], self._index
            if not block.begun:
                block.begun = True
                out.append(BlockStart(index, block.start()))
            out += [BlockDelta(index, delta) for delta in block.pending]
            block.pending.clear()
            if not block.ended:
                return
            out.append(BlockStop(index))
            self._content.append(block.block())
            self._queue.pop(0)
            self._index = index + 1
