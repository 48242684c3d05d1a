"""Items -> messages of the chat format.

What an assistant did in one turn (reasoning, text, calls) is one message here, and the results of its calls must follow it at
once, before anything else.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.adapters.dialects import emulated
from services.adapters.dialects.openai_chat.parts import Content, content_of, joined, write_parts
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    Hosted,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

_NINE = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class Turn:
    """What the assistant said and called, and what its tools answered."""

    reasoning: list[str] = field(default_factory=list)
    content: list[Wire] = field(default_factory=list)
    calls: list[Wire] = field(default_factory=list)
    results: list[Wire] = field(default_factory=list)
    media: list[Wire] = field(default_factory=list)


def write_messages(call: Call, writing: Writing) -> list[Wire]:
    """All messages, instructions first."""
    writer = Writer(writing)
    if call.instructions is not None:
        writer.prompt("system", [Text(call.instructions)], "instructions")
    for index, item in enumerate(call.items):
        writer.add(item, f"input[{index}]")
    return writer.finish()


def wire_id(call_id: str, quirks: Quirks) -> str:
    """The id to send for a call id: always the same for the same one, so that a replayed call and its result still match."""
    if quirks.tool_ids == "any" or _NINE.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big")
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


class Writer:
    """Messages as they grow. `_open` is the assistant's turn that may still be added to."""

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.quirks = writing.quirks
        self._blocks: list[Wire | Turn] = []
        self._prompts: list[Wire] = []  # of the one system prompt, under Mistral's rules
        self._open: Turn | None = None
        self._waiting: dict[str, Turn] = {}  # call id -> the turn that wants its result

    def add(self, item: Message | ToolCall | ToolResult | Reasoning | Hosted, path: str) -> None:
        """One item of the conversation."""
        match item:
            case Message(role="assistant"):
                self._said(item, path)
            case Message(role="user"):
                self._open = None
                self._blocks.append({"role": "user", "content": self._content(item.content, f"{path}.content")})
            case Message(role=role):
                self.prompt(role, item.content, f"{path}.content")
            case ToolCall():
                self._called(item, path)
            case ToolResult():
                self._answered(item, path)
            case Reasoning():
                self.reasoned(item, path)
            case Hosted():
                pass  # a receipt of a hosted tool's work; `carry` has said that it goes, and refused all others

    def prompt(self, role: str, content: Sequence[Part], path: str) -> None:
        """A system or developer prompt. Under Mistral's rules later ones join the first."""
        self._open = None
        written = write_parts(content, path, self.writing)
        if self.quirks.strict_order and self._prompts:
            if self._blocks:
                self.writing.lose(path.removesuffix(".content"), "moved", "joined to the first system prompt")
            self._prompts.append({"type": "text", "text": "\n"})
        if self.quirks.strict_order:
            self._prompts += written
            return
        sent = "developer" if role == "developer" and self.quirks.developer_role else "system"
        self._blocks.append({"role": sent, "content": self.content_of(written)})

    def finish(self) -> list[Wire]:
        """All messages in order."""
        messages: list[Wire] = []
        if self._prompts:
            messages.append({"role": "system", "content": joined(self._prompts)})
        for block in self._blocks:
            if not isinstance(block, Turn):
                self._before_user(messages, block)
                messages.append(block)
                continue
            messages.append(self.assistant(block))
            messages += block.results
            if block.media:
                user: Wire = {"role": "user", "content": block.media}
                self._before_user(messages, user)
                messages.append(user)
        if self.quirks.strict_order and messages and _spoke(messages[-1]):
            messages[-1]["prefix"] = True
            self.writing.lose("input", "changed", "the assistant's last message is continued, not followed")
        return messages

    # ---- one kind of item each ---------------------------------------------------------------------------------------

    def _said(self, item: Message, path: str) -> None:
        written = write_parts(item.content, f"{path}.content", self.writing)
        if spoken := [part for part in written if part.get("text") != ""]:  # xAI and Mistral refuse what says nothing
            self.turn(fresh=True).content += spoken

    def _called(self, item: ToolCall, path: str) -> None:
        turn = self.turn()
        if not item.custom:
            inner: Wire = {"name": item.name, "arguments": item.arguments or "{}"}
        elif self.quirks.custom_tools:
            inner = {"name": item.name, "input": item.arguments}
        else:
            inner = {"name": item.name, "arguments": emulated.wrap(item.arguments)}
        kind = "custom" if item.custom and self.quirks.custom_tools else "function"
        turn.calls.append({"id": wire_id(item.call_id, self.quirks), "type": kind, kind: inner})
        self._waiting[item.call_id] = turn
        self._lose_cache(item, path)

    def _answered(self, item: ToolResult, path: str) -> None:
        turn = self._waiting.pop(item.call_id, None)
        if turn is None:
            raise InvalidRequest(
                f"No tool call of this conversation has the id `{item.call_id}`.", param=f"{path}.call_id"
            )
        if turn is not self._blocks[-1]:
            self.writing.lose(path, "moved", "a result follows its call at once")
        self._open = None
        parts = write_parts(item.output, f"{path}.output", self.writing)
        if item.is_error:
            parts.insert(
                0, {"type": "text", "text": "Error:"}
            )  # the format has no field for it; the word tells the model
            self.writing.lose(f"{path}.is_error", "emulated", "said in front of the result")
        if self.quirks.tool_media:
            content: Content = self.content_of(parts)
        else:
            media = [part for part in parts if part["type"] != "text"]
            content = joined(parts)
            if media:
                content = content or "The result follows as an attachment."
                self.writing.lose(f"{path}.output", "moved", "images and files follow in a user message")
                turn.media += media
        turn.results.append({"role": "tool", "tool_call_id": wire_id(item.call_id, self.quirks), "content": content})
        self._lose_cache(item, path)

    def reasoned(self, item: Reasoning, path: str) -> None:
        texts = item.content or item.summary
        if self.quirks.replay_reasoning == "none" or not texts:
            if texts or item.seal is not None:
                self.writing.lose(path, "dropped", f"{self.writing.name} takes no earlier reasoning back")
            return
        self.turn(fresh=True).reasoning += texts

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def turn(self, *, fresh: bool = False) -> Turn:
        """The open turn of the assistant, or a new one. `fresh`: what comes begins a message, if the open one has its text.

        Once a turn has calls everything joins it: their results must come next.
        """
        ended = fresh and self._open is not None and self._open.content and not self._open.calls
        if self._open is None or (ended and not self.quirks.strict_order):
            self._open = Turn()
            self._blocks.append(self._open)
        return self._open

    def assistant(self, turn: Turn) -> Wire:
        message: Wire = {"role": "assistant"}
        parts = turn.content
        replay = self.quirks.replay_reasoning
        if turn.reasoning and replay == "thinking":
            texts = [{"type": "text", "text": text} for text in turn.reasoning]
            parts = [{"type": "thinking", "thinking": texts}, *parts]
        elif turn.reasoning:
            message[replay] = "\n\n".join(turn.reasoning)
        if parts or self.quirks.empty_content or not turn.calls:
            message["content"] = self.content_of(parts)
        if turn.calls:
            message["tool_calls"] = turn.calls
        return message

    def _content(self, parts: Sequence[Part], path: str) -> Content:
        return self.content_of(write_parts(parts, path, self.writing))

    def content_of(self, parts: list[Wire]) -> Content:
        return content_of(parts, lists=self.quirks.content_lists)

    def _before_user(self, messages: list[Wire], block: Wire) -> None:
        """Mistral refuses a user after a tool; the assistant has to say something in between."""
        if self.quirks.strict_order and block["role"] == "user" and messages and messages[-1]["role"] == "tool":
            messages.append({"role": "assistant", "content": "OK."})
            self.writing.lose("input", "changed", "`OK.` by the assistant stands between a tool and the user")

    def _lose_cache(self, item: ToolCall | ToolResult, path: str) -> None:
        if item.cache is not None:
            self.writing.lose(f"{path}.cache_control", "dropped", "the chat format has no cache markers on tools")


def _spoke(message: Wire) -> bool:
    return message["role"] == "assistant" and "tool_calls" not in message
