"""Reasoning while it is open."""

from typing import Literal

import msgspec

from services.responses.items import ItemStatus, OutputItem, ReasoningItem, ReasoningText, SummaryText
from services.responses.open_items import Numbers, OpenItem
from services.responses.stream_events import (
    ContentPartAdded,
    ContentPartDone,
    ReasoningSummaryPartAdded,
    ReasoningSummaryPartDone,
    ReasoningSummaryTextDelta,
    ReasoningSummaryTextDone,
    ReasoningTextDelta,
    ReasoningTextDone,
    StreamEvent,
)

Kind = Literal["summary", "content"]


class OpenReasoning(OpenItem):
    """Reasoning: parts of a summary or of the content, and the opaque part."""

    def __init__(self, numbers: Numbers, index: int, stem: str) -> None:
        super().__init__(numbers, index, f"rs_{stem}{index:02x}")
        self.sealed: str | None = None
        self._summary: list[SummaryText] = []
        self._content: list[ReasoningText] = []
        self._texts: list[str] = []
        self._open: tuple[Kind, int] | None = None

    def added(self) -> OutputItem:
        return ReasoningItem(self._id, [])

    def delta(self, text: str, kind: Kind, part: int, out: list[StreamEvent]) -> None:
        """More readable reasoning."""
        if self._open != (kind, part):
            self._close_part(out)
            self._open = (kind, part)
            self._begin_part(kind, out)
        self._texts.append(text)
        number, item_id, index = self._numbers.next(), self._id, self.index
        if kind == "summary":
            out.append(
                ReasoningSummaryTextDelta(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    summary_index=len(self._summary) - 1,
                    delta=text,
                )
            )
        else:
            out.append(
                ReasoningTextDelta(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    content_index=len(self._content) - 1,
                    delta=text,
                )
            )

    def close(self, status: ItemStatus, out: list[StreamEvent]) -> OutputItem:
        self._close_part(out)
        return ReasoningItem(
            self._id,
            self._summary,
            self._content or msgspec.UNSET,
            self.sealed if self.sealed is not None else msgspec.UNSET,
            status if status == "incomplete" else msgspec.UNSET,
        )

    def _begin_part(self, kind: Kind, out: list[StreamEvent]) -> None:
        number, item_id, index = self._numbers.next(), self._id, self.index
        if kind == "summary":
            self._summary.append(SummaryText(""))
            out.append(
                ReasoningSummaryPartAdded(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    summary_index=len(self._summary) - 1,
                    part=SummaryText(""),
                )
            )
        else:
            self._content.append(ReasoningText(""))
            out.append(
                ContentPartAdded(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    content_index=len(self._content) - 1,
                    part=ReasoningText(""),
                )
            )

    def _close_part(self, out: list[StreamEvent]) -> None:
        if self._open is None:
            return
        text = "".join(self._texts)
        if self._open[0] == "summary":
            self._close_summary(SummaryText(text), out)
        else:
            self._close_content(ReasoningText(text), out)
        self._texts.clear()
        self._open = None

    def _close_summary(self, part: SummaryText, out: list[StreamEvent]) -> None:
        at, numbers, item_id, index = len(self._summary) - 1, self._numbers, self._id, self.index
        self._summary[at] = part
        out.append(
            ReasoningSummaryTextDone(
                sequence_number=numbers.next(),
                item_id=item_id,
                output_index=index,
                summary_index=at,
                text=part.text,
            )
        )
        out.append(
            ReasoningSummaryPartDone(
                sequence_number=numbers.next(), item_id=item_id, output_index=index, summary_index=at, part=part
            )
        )

    def _close_content(self, part: ReasoningText, out: list[StreamEvent]) -> None:
        at, numbers, item_id, index = len(self._content) - 1, self._numbers, self._id, self.index
        self._content[at] = part
        out.append(
            ReasoningTextDone(
                sequence_number=numbers.next(),
                item_id=item_id,
                output_index=index,
                content_index=at,
                text=part.text,
            )
        )
        out.append(
            ContentPartDone(
                sequence_number=numbers.next(), item_id=item_id, output_index=index, content_index=at, part=part
            )
        )
