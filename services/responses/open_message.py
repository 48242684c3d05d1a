"""A message while it is open: its text parts with their citations, and refusals."""

from typing import Literal

import msgspec

from services.responses.items import (
    Annotation,
    FileCitation,
    ItemStatus,
    MessageItem,
    OutputItem,
    OutputText,
    RefusalPart,
    UrlCitation,
)
from services.responses.open_items import Numbers, OpenItem
from services.responses.stream_events import (
    ContentPartAdded,
    ContentPartDone,
    OutputTextAnnotationAdded,
    OutputTextDelta,
    OutputTextDone,
    RefusalDeltaEvent,
    RefusalDone,
    StreamEvent,
)
from services.vocabulary.event import Citation

_logprobs = msgspec.json.Decoder(list[msgspec.Raw])


class OpenMessage(OpenItem):
    """A message: text parts with citations, and refusals."""

    def __init__(self, numbers: Numbers, index: int, stem: str) -> None:
        super().__init__(numbers, index, f"msg_{stem}{index:02x}")
        self._parts: list[OutputText | RefusalPart] = []
        self._texts: list[str] = []
        self._length = 0
        self._block_start = 0
        self._uncovered: list[Citation] = []  # citations that cover the block that is still coming
        self._kind: Literal["text", "refusal"] | None = None

    def added(self) -> OutputItem:
        return MessageItem(self._id, "in_progress", [])

    def text(self, text: str, logprobs: msgspec.Raw | None, out: list[StreamEvent]) -> None:
        """More text."""
        if self._kind != "text":
            self._open("text", OutputText(""), out)
        self._texts.append(text)
        self._length += len(text)
        tokens: list[msgspec.Raw] = []
        if logprobs is not None:
            tokens = _logprobs.decode(logprobs)
            part = self._parts[-1]
            assert isinstance(part, OutputText)
            part.logprobs += tokens
        out.append(
            OutputTextDelta(
                sequence_number=self._numbers.next(),
                item_id=self._id,
                output_index=self.index,
                content_index=len(self._parts) - 1,
                delta=text,
                logprobs=tokens,
            )
        )

    def refusal(self, text: str, out: list[StreamEvent]) -> None:
        """More of a refusal."""
        if self._kind != "refusal":
            self._open("refusal", RefusalPart(""), out)
        self._texts.append(text)
        out.append(
            RefusalDeltaEvent(
                sequence_number=self._numbers.next(),
                item_id=self._id,
                output_index=self.index,
                content_index=len(self._parts) - 1,
                delta=text,
            )
        )

    def block(self, out: list[StreamEvent]) -> None:
        """A new block of the text begins."""
        self._cover(out)
        self._block_start = self._length

    def cite(self, citation: Citation, out: list[StreamEvent]) -> None:
        """A source: of a stated range at once, of the current block when that ends."""
        if self._kind != "text":
            self._open("text", OutputText(""), out)
        if citation.start is None or citation.end is None:
            self._uncovered.append(citation)
        else:
            self._annotate(citation, citation.start, citation.end, out)

    def close(self, status: ItemStatus, out: list[StreamEvent]) -> OutputItem:
        self._close_part(out)
        return MessageItem(self._id, status, self._parts)

    def _open(self, kind: Literal["text", "refusal"], part: OutputText | RefusalPart, out: list[StreamEvent]) -> None:
        self._close_part(out)
        self._kind = kind
        self._parts.append(part)
        empty = OutputText("") if kind == "text" else RefusalPart("")  # the event must not change when the part does
        out.append(
            ContentPartAdded(
                sequence_number=self._numbers.next(),
                item_id=self._id,
                output_index=self.index,
                content_index=len(self._parts) - 1,
                part=empty,
            )
        )

    def _close_part(self, out: list[StreamEvent]) -> None:
        if self._kind is None:
            return
        self._cover(out)
        text = "".join(self._texts)
        part = self._parts[-1]
        numbers, item_id, index, content_index = self._numbers, self._id, self.index, len(self._parts) - 1
        if isinstance(part, OutputText):
            part.text = text
            out.append(
                OutputTextDone(
                    sequence_number=numbers.next(),
                    item_id=item_id,
                    output_index=index,
                    content_index=content_index,
                    text=text,
                    logprobs=part.logprobs,
                )
            )
        else:
            part.refusal = text
            out.append(
                RefusalDone(
                    sequence_number=numbers.next(),
                    item_id=item_id,
                    output_index=index,
                    content_index=content_index,
                    refusal=text,
                )
            )
        out.append(
            ContentPartDone(
                sequence_number=numbers.next(),
                item_id=item_id,
                output_index=index,
                content_index=content_index,
                part=part,
            )
        )
        self._texts.clear()
        self._length = self._block_start = 0
        self._kind = None

    def _cover(self, out: list[StreamEvent]) -> None:
        for citation in self._uncovered:
            self._annotate(citation, self._block_start, self._length, out)
        self._uncovered.clear()

    def _annotate(self, citation: Citation, start: int, end: int, out: list[StreamEvent]) -> None:
        part = self._parts[-1]
        assert isinstance(part, OutputText), "only text is cited"
        annotation = _annotation(citation, start, end)
        part.annotations.append(annotation)
        out.append(
            OutputTextAnnotationAdded(
                sequence_number=self._numbers.next(),
                item_id=self._id,
                output_index=self.index,
                content_index=len(self._parts) - 1,
                annotation_index=len(part.annotations) - 1,
                annotation=annotation,
            )
        )


def _annotation(citation: Citation, start: int, end: int) -> Annotation:
    cited = citation.cited_text if citation.cited_text is not None else msgspec.UNSET
    if citation.url is None:
        name = citation.filename or citation.title or ""
        return FileCitation(citation.file_id or name, name, end, cited)
    return UrlCitation(citation.url, citation.title or citation.url, start, end, cited)
