"""Thought signatures: opaque bytes on a part of the answer, to be sent back on the same part.

https://ai.google.dev/gemini-api/docs/thought-signatures

In our vocabulary a signature is the seal of a reasoning item beside the part; the seal's kind says which part:

function_call, text   the part that follows
text_end              the text before it (a stream gives the signature when the text is already out)
empty                 a part of its own, with empty text, as it came
thought               the thought that the reasoning item itself holds
"""

from collections.abc import Sequence
from typing import Final, Literal

from services.vocabulary.call import Reasoning
from services.vocabulary.event import Loss

Json = dict[str, object]
Kind = Literal["function_call", "text", "text_end", "empty", "thought"]

# Google's documented stand-in for calls that another model made, which no signature can exist for.
SKIP_VALIDATION: Final = "skip_thought_signature_validator"


class Signatures:
    """Puts signatures back. One per conversation; told of reasoning items and of the parts that follow them."""

    def __init__(self, losses: list[Loss]) -> None:
        self._losses = losses
        self._waiting: tuple[str, str, str] | None = None  # kind, signature, path of the item that held it
        self._unsigned: list[str] = []  # paths of readable reasoning in this turn; a signature after the text covers it

    def read(self, item: Reasoning, path: str, parts: list[Json]) -> None:
        """Takes a reasoning item. `parts`: the model's turn so far."""
        seal = item.seal
        match seal.kind if seal is not None else "":
            case "function_call" | "text" as kind:
                assert seal is not None
                self._drop_waiting()
                self._waiting = (kind, seal.blob, path)
            case "text_end" | "empty" as kind:
                assert seal is not None
                self._unsigned.clear()
                if kind == "empty" or not parts or "text" not in parts[-1] or "thoughtSignature" in parts[-1]:
                    parts.append({"text": ""})
                parts[-1]["thoughtSignature"] = seal.blob
            case "thought":
                assert seal is not None
                parts.append({"text": "".join(item.summary), "thought": True, "thoughtSignature": seal.blob})
            case _ if seal is not None or item.summary or item.content:
                self._unsigned.append(path)

    def sign(self, part: Json, kind: Kind) -> None:
        """Puts the waiting signature on the part, if it is of that kind."""
        if self._waiting is not None and self._waiting[0] == kind:
            part["thoughtSignature"] = self._waiting[1]
            self._waiting = None

    def leave_turn(self) -> None:
        """The model's turn is over: what could not be sent back with it is lost."""
        self._drop_waiting()
        detail = "Gemini takes back only reasoning that it signed itself."
        self._losses += [Loss(path, "dropped", detail) for path in self._unsigned]
        self._unsigned.clear()

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            path = self._waiting[2]
            self._losses.append(Loss(path, "dropped", "The output this reasoning belongs to was not sent back."))
            self._waiting = None


def fill_missing(turns: Sequence[tuple[str, list[Json]]]) -> None:
    """Marks calls without a signature where Gemini 3 demands one: on the first call of each step since the last question."""
    for role, parts in reversed(turns):
        if role == "user" and any("text" in part for part in parts):
            return
        first = next((part for part in parts if "functionCall" in part), None)
        if first is not None:
            first.setdefault("thoughtSignature", SKIP_VALIDATION)
