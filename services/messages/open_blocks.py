"""The blocks of an answer while they are open: one small object each, which says what its stream and its end are.

Blocks go out one after the other, as clients expect. One that begins while an earlier one is still open (calls made in
parallel) waits: `pending` holds what it has to say.
"""

from abc import ABC, abstractmethod
from typing import Final

import msgspec

from services.messages.objects import (
    Block,
    CitationsDelta,
    Delta,
    InputJsonDelta,
    SignatureDelta,
    TextBlockDelta,
    TextContent,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    WebCitation,
)

_EMPTY: Final = msgspec.Raw(b"{}")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class OpenBlock(ABC):
    """A block. ended: nothing more comes; begun: its start is out."""

    def __init__(self) -> None:
        self.pending: list[Delta] = []
        self.ended = False
        self.begun = False

    @abstractmethod
    def start(self) -> Block:
        """The block as its start shows it: empty."""

    @abstractmethod
    def block(self) -> Block:
        """The block as it is in the finished message."""

    def end(self) -> None:
        """It is complete."""
        self.ended = True


class Ready(OpenBlock):
    """A block that comes whole."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self._block = block
        self.ended = True

    def start(self) -> Block:
        return self._block

    def block(self) -> Block:
        return self._block


class Proof(Ready):
    """The opaque part of reasoning that nobody may read."""


class OpenText(OpenBlock):
    """Text and its citations."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self._citations: list[WebCitation] = []

    @property
    def empty(self) -> bool:
        """Whether it has said nothing."""
        return not self._texts

    def start(self) -> Block:
        return TextContent("")

    def say(self, text: str) -> None:
        """More text."""
        self._texts.append(text)
        self.pending.append(TextBlockDelta(text))

    def cite(self, citation: WebCitation) -> None:
        """A source of it."""
        self._citations.append(citation)
        self.pending.append(CitationsDelta(citation))

    def block(self) -> Block:
        return TextContent("".join(self._texts), self._citations or msgspec.UNSET)


class OpenThinking(OpenBlock):
    """Readable reasoning. `unsigned` is the signature of what the provider gives no proof of: only whose it is."""

    def __init__(self, unsigned: str) -> None:
        super().__init__()
        self._unsigned = unsigned
        self._signature = ""
        self._texts: list[str] = []
        self._part = 0

    def start(self) -> Block:
        return ThinkingBlock("", "")

    def think(self, text: str, part: int) -> None:
        """More of it. A higher part is a paragraph of its own."""
        if part > self._part and self._texts:
            text = f"\n\n{text}"
        self._part = part
        self._texts.append(text)
        self.pending.append(ThinkingDelta(text))

    def sign(self, signature: str) -> None:
        """The proof."""
        self._signature = signature

    def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._signature = self._signature or self._unsigned
        self.pending.append(SignatureDelta(self._signature))

    def block(self) -> Block:
        return ThinkingBlock("".join(self._texts), self._signature)


class OpenCall(OpenBlock):
    """A call of one of the client's tools."""

    def __init__(self, call_id: str, name: str) -> None:
        super().__init__()
        self._id = call_id
        self._name = name
        self._json: list[str] = []

    def start(self) -> Block:
        return ToolUseBlock(self._id, self._name, _EMPTY)

    def add(self, json: str) -> None:
        """More of its input."""
        if json:
            self._json.append(json)
            self.pending.append(InputJsonDelta(json))

    def block(self) -> Block:
        return ToolUseBlock(self._id, self._name, _input("".join(self._json)))


def _input(text: str) -> msgspec.Raw:
    """The input as it came. What is no object (an answer may be cut off) is wrapped as Anthropic advises, not made up."""
    if not text.strip():
        return _EMPTY
    try:
        _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(msgspec.json.encode({"INVALID_JSON": text}))
    return msgspec.Raw(text.encode())
