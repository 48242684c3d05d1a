"""The conversation: `system` and `messages`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. Roles alternate and the user begins, so
neighbours of one role are merged; tool results come first in their message; a document needs a text beside it.
"""

from typing import Final

import msgspec

from services.adapters.dialects import emulated
from services.adapters.dialects.bedrock_converse.cache import cache_point
from services.adapters.dialects.bedrock_converse.families import Family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.adapters.dialects.bedrock_converse.names import call_id, tool_name
from services.adapters.dialects.bedrock_converse.parts import file_block, image_block
from services.adapters.dialects.bedrock_converse.specs import Block
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    Call,
    File,
    Hosted,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

THINKING: Final = "thinking"  # seal kinds: the signature of a readable block, and an encrypted block
REDACTED: Final = "redacted"

_BRIDGE: Final = "."  # what an assistant says between tool results and what may not stand beside them
_BEGIN: Final = "(The conversation begins with the assistant.)"
_EMPTY_RESULT: Final = "(empty)"  # a result without text is refused, and so is one of spaces

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Turn:
    """One message while it is written."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[Block] = []
        self.blocks: list[Block] = []


class Conversation:
    """Writes the items of one call."""

    def __init__(self, model: Family, losses: Losses) -> None:
        self._model = model
        self._losses = losses
        self._turns: list[_Turn] = []
        self._system: list[Block] = []
        self._names: set[str] = set()

    def write(self, call: Call, notes: list[str]) -> tuple[list[Block], list[dict[str, object]]]:
        """`system` and `messages`. Raises `InvalidRequest` for what cannot be carried. `notes`: our own words at the end."""
        if call.instructions and call.instructions.strip():
            self._system.append({"text": call.instructions})
        for index, item in enumerate(call.items):
            path = f"input[{index}]"
            match item:
                case Message(role="system" | "developer"):
                    self._say_system(item, path)
                case Message(role=role, content=content):
                    self._say(role, content, path)
                case ToolCall():
                    self._call(item, path)
                case ToolResult():
                    self._result(item, path)
                case Reasoning():
                    self._reason(item, path)
                case Hosted():
                    pass  # a receipt of another provider's own work: the adapter has reported it, and refused all else
        self._system += [{"text": note} for note in notes]
        messages = self._messages()
        if call.cache is not None:
            self._mark_all(call.cache, messages)
        return self._system, messages

    # ---- items ---------------------------------------------------------------------------------------------------

    def _say_system(self, message: Message, path: str) -> None:
        if self._turns:
            self._losses.add(path, "moved", "System messages in mid-conversation go to the front.")
        for index, part in enumerate(message.content):
            where = f"{path}.content[{index}]"
            if not isinstance(part, Text):
                raise InvalidRequest(f"System messages hold only text (at {where}).", param=where)
            if part.text.strip():
                self._system.append({"text": part.text})
            self._mark(part.cache, self._system, where)

    def _say(self, role: str, content: list[Part], path: str) -> None:
        blocks = self._turn(role).blocks
        for index, part in enumerate(content):
            where = f"{path}.content[{index}]"
            if role == "assistant" and not isinstance(part, Text | Refusal):
                raise InvalidRequest(f"An assistant's message holds only text here (at {where}).", param=where)
            self._part(part, where, blocks)

    def _part(self, part: Part, where: str, blocks: list[Block], *, marks: bool = True) -> None:
        match part:
            case Text(text=text) | Refusal(text=text):
                if text.strip():  # what is only spaces is refused
                    blocks.append({"text": text})
            case Image():
                if part.detail in {"low", "high", "original"}:
                    self._losses.add(f"{where}.detail", "dropped", "Bedrock has no image detail.")
                blocks.append(image_block(part, where))
            case File():
                blocks.append(file_block(part, where, self._names))
            case Opaque(kind=kind):
                raise InvalidRequest(
                    f"Parts of type {kind!r} cannot be sent to this provider (at {where}).", param=where
                )
        if marks and not isinstance(part, Refusal):
            self._mark(part.cache, blocks, where)

    def _call(self, call: ToolCall, path: str) -> None:
        blocks = self._turn("assistant").blocks
        given = emulated.call_input(call, path, self._losses.all)
        blocks.append({"toolUse": {"toolUseId": call_id(call.call_id), "name": tool_name(call.name), "input": given}})
        self._mark(call.cache, blocks, path)

    def _result(self, result: ToolResult, path: str) -> None:
        content: list[Block] = []
        for index, part in enumerate(result.output):
            self._part(part, f"{path}.output[{index}]", content, marks=False)
        if not content:
            content.append({"text": _EMPTY_RESULT})
            self._losses.add(f"{path}.output", "changed", f"Sent as {_EMPTY_RESULT!r}: results must say something.")
        if self._model.json_results:
            content = [_as_json(part) for part in content]
        block: dict[str, object] = {"toolUseId": call_id(result.call_id), "content": content}
        if result.is_error and self._model.result_status:
            block["status"] = "error"
        elif result.is_error:
            self._losses.add(f"{path}.is_error", "dropped", "The model's tool results have no status.")
        results = self._turn("user").results
        results.append({"toolResult": block})
        marked = (part.cache for part in reversed(result.output) if not isinstance(part, Refusal | Opaque))
        self._mark(result.cache or next((cache for cache in marked if cache is not None), None), results, path)

    def _reason(self, reasoning: Reasoning, path: str) -> None:
        """Only sealed reasoning can be replayed, to its own family: Bedrock checks the signature against the very text."""
        seal = reasoning.seal
        if seal is not None and seal.kind == self._model.seal(THINKING):
            text = {"text": "".join(reasoning.summary or reasoning.content), "signature": seal.blob}
            self._turn("assistant").blocks.append({"reasoningContent": {"reasoningText": text}})
        elif seal is not None and seal.kind == self._model.seal(REDACTED):
            self._turn("assistant").blocks.append({"reasoningContent": {"redactedContent": seal.blob}})
        else:
            self._losses.add(path, "dropped", "The model takes back only reasoning that its own family signed.")

    def _turn(self, role: str) -> _Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        return self._turns[-1]

    # ---- messages ------------------------------------------------------------------------------------------------

    def _messages(self) -> list[dict[str, object]]:
        messages: list[dict[str, object]] = []
        for turn in self._turns:
            for role, content in self._divided(turn):
                if messages and messages[-1]["role"] == role:
                    merged = messages[-1]["content"]
                    assert isinstance(merged, list)
                    merged += content
                elif content:
                    messages.append({"role": role, "content": content})
        if not messages:
            raise InvalidRequest("The conversation holds nothing to answer.", param="input")
        if messages[0]["role"] != "user" and not self._model.leading_assistant:
            self._losses.add("input", "changed", "The user must begin, so a message of the user is put in front.")
            messages.insert(0, {"role": "user", "content": [{"text": _BEGIN}]})
        for message in messages:
            self._text_beside_documents(message)
        return messages

    def _divided(self, turn: _Turn) -> list[tuple[str, list[Block]]]:
        """A turn as one message, or as several where the model takes nothing (or no document) beside tool results."""
        if turn.results and turn.blocks:
            beside = self._model.beside_results
            documents = any("document" in block for block in turn.blocks)
            if beside == "nothing" or (beside == "text and images" and documents):
                return [("user", turn.results), ("assistant", [{"text": _BRIDGE}]), ("user", turn.blocks)]
        return [(turn.role, [*turn.results, *turn.blocks])]

    @staticmethod
    def _text_beside_documents(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, list)
        names = [block["document"]["name"] for block in content if "document" in block]
        if names and not any("text" in block for block in content):
            content.append({"text": f"Attached: {', '.join(names)}"})

    # ---- prompt cache --------------------------------------------------------------------------------------------

    def _mark(self, cache: Cache | None, blocks: list[Block], path: str) -> None:
        """A cache point after the last block; before it, where that is a document no cache point may follow."""
        if cache is None:
            return
        param = f"{path}.cache_control" if path else "cache_control"
        if not self._model.cache_messages:
            self._losses.add(param, "dropped", "The model has no prompt cache to mark.")
            return
        at = len(blocks)
        while at and (document := blocks[at - 1].get("document")) and not self._may_end_a_prefix(document):
            at -= 1
        if not at:
            self._losses.add(param, "dropped", "No cache point may follow this document.")
        elif "cachePoint" not in blocks[at - 1]:
            blocks.insert(at, cache_point(cache.ttl, self._model, param, self._losses))

    def _may_end_a_prefix(self, document: object) -> bool:
        return self._model.name == "claude" and isinstance(document, dict) and document["format"] == "pdf"

    def _mark_all(self, cache: Cache, messages: list[dict[str, object]]) -> None:
        content = messages[-1]["content"]
        assert isinstance(content, list)
        if not any("cachePoint" in block for block in content[-1:]):
            self._mark(cache, content, "")


def _as_json(block: Block) -> Block:
    """A text result as JSON, for models that take no text there: itself if it is an object, else wrapped in one."""
    text = block.get("text")
    if not isinstance(text, str):
        return block
    try:
        _object.decode(text)
    except msgspec.MsgspecError:
        return {"json": {"output": text}}
    return {"json": msgspec.Raw(text.encode())}
