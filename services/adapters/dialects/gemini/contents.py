"""The conversation -> `contents`, alternating turns of user and model, and the texts of `systemInstruction`.

Gemini pairs calls and results by position: all results of a model turn stand together in the user turn right after it, in the
order of the calls. Wherever the client put a result, it goes there.
"""

from dataclasses import dataclass, field

from services.adapters.dialects import emulated
from services.adapters.dialects.gemini.family import demands_signatures, takes_media_in_results
from services.adapters.dialects.gemini.media import media_part
from services.adapters.dialects.gemini.names import wire_names
from services.adapters.dialects.gemini.signatures import Signatures, fill_missing
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    File,
    Hosted,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from services.vocabulary.event import Loss

Json = dict[str, object]


@dataclass(slots=True)
class Turn:
    """One content. calls: of a model turn, call id -> its place; answers: by that place, the parts that answer the call."""

    role: str
    parts: list[Json] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    answers: dict[int, list[Json]] = field(default_factory=dict)


class Conversation:
    """Reads the items of a call, oldest first. Afterwards: `system`, `contents`, and what was lost."""

    def __init__(self, call: Call, target: Target, losses: list[Loss]) -> None:
        self.system: list[str] = [call.instructions] if call.instructions else []
        self._target = target
        self._losses = losses
        self._names = wire_names(call)
        self._turns: list[Turn] = []
        self._origin: dict[str, int] = {}  # call id -> index of its item, to name it in an error
        self._signatures = Signatures(losses)
        for index, item in enumerate(call.items):
            self._item(item, index)
        self._signatures.leave_turn()

    def contents(self) -> list[Json]:
        """All turns. Raises `InvalidRequest` for a conversation Gemini cannot be asked to continue."""
        contents: list[Json] = []
        if demands_signatures(self._target.upstream):
            fill_missing([(turn.role, turn.parts) for turn in self._turns])
        for turn in self._turns:
            if turn.parts:
                contents.append({"role": turn.role, "parts": turn.parts})
            if turn.calls:
                contents.append({"role": "user", "parts": self._results(turn)})
        if not contents:
            raise InvalidRequest("Gemini needs a message to answer: the input holds none.", param="input")
        return contents

    # ---- items -------------------------------------------------------------------------------------------------------

    def _item(self, item: Item, index: int) -> None:
        path = f"input[{index}]"
        match item:
            case Message(role="system" | "developer"):
                self._system(item, path)
            case Message(role="assistant"):
                self._said(item, path)
            case Message():
                self._turn("user").parts += self._parts(item.content, f"{path}.content")
            case ToolCall():
                self._called(item, index)
            case ToolResult():
                self._answered(item, path)
            case Reasoning():
                self._signatures.read(item, path, self._turn("model").parts)
            case Hosted():
                pass  # a receipt of another provider's tool; the adapter has refused or reported it

    def _system(self, item: Message, path: str) -> None:
        if self._turns:
            self._losses.append(Loss(path, "moved", f"Gemini takes {item.role} messages only before the conversation."))
        for number, part in enumerate(item.content):
            if not isinstance(part, Text | Refusal):
                raise InvalidRequest("Gemini's system instruction takes text only.", param=f"{path}.content[{number}]")
            self._cache(part, f"{path}.content[{number}]")
            if part.text:
                self.system.append(part.text)

    def _said(self, item: Message, path: str) -> None:
        parts = self._parts(item.content, f"{path}.content")
        if parts:
            self._signatures.sign(parts[0], "text")
            self._turn("model").parts += parts

    def _called(self, item: ToolCall, index: int) -> None:
        turn = self._turn("model")
        self._cache(item, f"input[{index}]")
        part: Json = {
            "functionCall": {
                "id": item.call_id,
                "name": self._names.get(item.name, item.name),
                "args": emulated.call_input(item, f"input[{index}]", self._losses),
            }
        }
        self._signatures.sign(part, "function_call")
        if item.call_id in turn.calls:
            raise InvalidRequest(f"Two tool calls have the call_id {item.call_id!r}.", param=f"input[{index}].call_id")
        turn.calls[item.call_id] = len(turn.calls)
        self._origin[item.call_id] = index
        turn.parts.append(part)

    def _answered(self, item: ToolResult, path: str) -> None:
        turn = next((turn for turn in reversed(self._turns) if self._waits(turn, item.call_id)), None)
        if turn is None:
            raise InvalidRequest(
                f"No tool call that still needs a result has the call_id {item.call_id!r}.", param=f"{path}.call_id"
            )
        self._cache(item, path)
        turn.answers[turn.calls[item.call_id]] = self._response(item, self._name_of(turn, item.call_id), path)

    @staticmethod
    def _waits(turn: Turn, call_id: str) -> bool:
        return call_id in turn.calls and turn.calls[call_id] not in turn.answers

    @staticmethod
    def _name_of(turn: Turn, call_id: str) -> str:
        calls = [call for part in turn.parts if isinstance(call := part.get("functionCall"), dict)]
        return str(calls[turn.calls[call_id]]["name"])

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _turn(self, role: str) -> Turn:
        last = self._turns[-1] if self._turns else None
        if last is not None and last.role == role and not last.answers:
            return last
        self._signatures.leave_turn()
        turn = Turn(role)
        self._turns.append(turn)
        return turn

    def _parts(self, content: list[Part], path: str) -> list[Json]:
        written = [self._part(part, f"{path}[{number}]") for number, part in enumerate(content)]
        return [part for part in written if part.get("text") != ""]  # Gemini refuses an empty text

    def _part(self, part: Part, path: str) -> Json:
        self._cache(part, path)
        match part:
            case Text(text=text) | Refusal(text=text):
                return {"text": text}
            case Image() | File():
                return media_part(part, path, self._losses)
            case Opaque(kind=kind):
                raise InvalidRequest(f"Gemini cannot take a content part of type {kind!r}.", param=path)

    def _response(self, item: ToolResult, name: str, path: str) -> list[Json]:
        """The function response and, for models that take no media inside, the media after it."""
        texts: list[str] = []
        media: list[Json] = []
        inside = takes_media_in_results(self._target.upstream)
        for number, part in enumerate(item.output):
            where = f"{path}.output[{number}]"
            written = self._part(part, where)
            if isinstance(part, Text | Refusal):
                texts.append(part.text)
                continue
            media.append(written)
            if not inside:
                self._losses.append(Loss(where, "moved", "Sent after the result: this model takes only text in it."))
        # The text stays text, even if it is JSON: parsed, it would lose its order and its large integers.
        response = {"error" if item.is_error else "output": "\n".join(texts)} if texts or not media else {}
        answer: Json = {"id": item.call_id, "name": name, "response": response}
        if not (media and inside):
            return [{"functionResponse": answer}, *media]
        return [{"functionResponse": {**answer, "parts": media}}]

    def _results(self, turn: Turn) -> list[Json]:
        """The user turn after a model turn: its results in the order of the calls, then media that had to be moved."""
        for call_id, place in turn.calls.items():
            if place not in turn.answers:
                raise InvalidRequest(
                    f"No result for the tool call {call_id!r}: every call needs one.",
                    param=f"input[{self._origin[call_id]}]",
                )
        answers = [turn.answers[place] for place in sorted(turn.answers)]
        return [parts[0] for parts in answers] + [part for parts in answers for part in parts[1:]]

    def _cache(self, holder: Part | ToolCall | ToolResult, path: str) -> None:
        if getattr(holder, "cache", None) is not None:
            self._losses.append(Loss(f"{path}.cache_control", "dropped", "Gemini caches long prompts by itself."))
