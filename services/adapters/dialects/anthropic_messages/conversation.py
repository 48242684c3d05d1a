"""Items -> `system` and `messages`.

Anthropic wants roles to take turns, tool results first in the user's turn that answers them, and no empty text. Items that
one side says in a row become one message. System and developer messages at the beginning become `system`; later ones
stay where they are on models that allow it (they may only end a user's turn), and join `system` on others.

https://platform.claude.com/docs/en/api/messages, …/build-with-claude/mid-conversation-system-messages
"""

from typing import Final, Literal

from services.adapters.dialects import emulated
from services.adapters.dialects.anthropic_messages.content import Block, Content, cache_control
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.plan import Plan, acceptable
from services.errors import InvalidRequest
from services.vocabulary.call import Cache, Hosted, Item, Message, Reasoning, Text, ToolCall, ToolResult

_BEGINNING: Final = "(The conversation begins with the assistant.)"
_GO_ON: Final = "Go on."
_FAILED: Final = "The tool failed:"


class Turn:
    """One message while it grows. `results` come before all other blocks; `paths` says where each block came from."""

    def __init__(self, role: Literal["user", "assistant", "system"]) -> None:
        self.role = role
        self.results: list[Block] = []
        self.blocks: list[Block] = []
        self.paths: list[str] = []

    def written(self) -> Block:
        """The message."""
        return {"role": self.role, "content": self.results + self.blocks}


class Conversation:
    """Takes items in order. `marks` are the blocks that carry a cache marker, each with the path of who set it."""

    def __init__(self, plan: Plan, content: Content, losses: Losses) -> None:
        self.system: list[Block] = []
        self.system_marks: list[tuple[str, Block]] = []
        self.marks: list[tuple[str, Block]] = []
        self._plan = plan
        self._content = content
        self._losses = losses
        self._turns: list[Turn] = []
        self._waiting: list[tuple[str, Block]] = []  # system messages until the user's turn ends

    def instruct(self, text: str, cache: Cache | None = None, path: str = "instructions") -> None:
        """Adds to `system`."""
        block = self._content.block(Text(text), path)
        if block is None:
            return
        self.system.append(block)
        if cache is not None:
            block["cache_control"] = cache_control(cache)
            self.system_marks.append((path, block))

    def add(self, item: Item, path: str) -> None:
        """Adds one item. Raises `InvalidRequest` for what Anthropic cannot be told."""
        match item:
            case Message(role="system" | "developer"):
                self._add_system(item, path)
            case Message(role="user" | "assistant"):
                self._add_message(item, path)
            case ToolCall():
                self._add_call(item, path)
            case ToolResult():
                self._add_result(item, path)
            case Reasoning():
                self._add_reasoning(item, path)
            case Hosted():
                pass  # a receipt of another provider's tool, reported as lost before the dialect was asked

    def messages(self, *, prefill: bool) -> list[Block]:
        """All messages, when every item was added. `prefill`: the assistant may speak last, to be continued."""
        self._release()
        if not self._turns:
            self._ask_with_system()
        if self._turns[0].role == "assistant":
            self._losses.emulated("input", "Anthropic wants the user to begin; a line that says so was put before.")
            beginning = Turn("user")
            beginning.blocks.append({"type": "text", "text": _BEGINNING})
            self._turns.insert(0, beginning)
        for turn in self._turns:
            if turn.role == "assistant":
                self._drop_unfinished(turn)
        self._turns = [turn for turn in self._turns if turn.results or turn.blocks]
        self._end(prefill)
        return [turn.written() for turn in self._turns]

    # ---- items -------------------------------------------------------------------------------------------------------

    def _add_system(self, message: Message, path: str) -> None:
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            if not isinstance(part, Text):
                raise InvalidRequest(f"System messages hold text only (at {where}).", param=where)
            if not self._turns:
                self.instruct(part.text, part.cache, where)
            elif block := self._content.block(part, where):
                if part.cache is not None:
                    block["cache_control"] = cache_control(part.cache)
                self._waiting.append((where, block))
        if self._turns and not self._plan.traits.system_turns:
            self._lift(path, "The model takes system messages only at the beginning.")

    def _lift(self, path: str, why: str) -> None:
        """Moves the waiting system messages to the beginning."""
        if not self._waiting:
            return
        self._losses.moved(path, why)
        for where, block in self._waiting:
            self.system.append(block)
            if "cache_control" in block:
                self.system_marks.append((where, block))
        self._waiting.clear()

    def _release(self) -> None:
        """The user's turn is over: system messages that waited for it follow it."""
        if not self._waiting:
            return
        path = self._waiting[0][0].partition(".")[0]
        if self._turns[-1].role != "user":
            self._lift(path, "A system message may only follow a user's turn.")
            return
        turn = Turn("system")
        for where, block in self._waiting:
            turn.blocks.append(block)
            if "cache_control" in block:
                self.marks.append((where, block))
        self._turns.append(turn)
        self._waiting.clear()

    def _add_message(self, message: Message, path: str) -> None:
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            cache = getattr(part, "cache", None)
            block = self._content.block(part, where)
            if block is not None:
                if role == "assistant" and block["type"] != "text":
                    raise InvalidRequest(f"Assistants say text only (at {where}).", param=where)
                self._say(role, block, cache, where)
            elif cache is not None:
                self._mark_last(role, cache, where)

    def _add_call(self, call: ToolCall, path: str) -> None:
        block: Block = {
            "type": "tool_use",
            "id": acceptable(call.call_id),
            "name": self._plan.wire_name(call.name),
            "input": emulated.call_input(call, path, self._losses.all),
        }
        self._say("assistant", block, call.cache, path)

    def _add_result(self, result: ToolResult, path: str) -> None:
        output: list[Block] = []
        cache = result.cache
        for number, part in enumerate(result.output):
            if block := self._content.block(part, f"{path}.output[{number}]"):
                output.append(block)
            cache = cache or getattr(part, "cache", None)  # only the result as a whole can carry a marker
        block = {"type": "tool_result", "tool_use_id": acceptable(result.call_id)}
        if len(output) == 1 and output[0]["type"] == "text":
            block["content"] = output[0]["text"]
        elif output:
            block["content"] = output
        if result.is_error and all(part["type"] == "text" for part in output):
            block["is_error"] = True
        elif result.is_error:
            block["content"] = [{"type": "text", "text": _FAILED}, *output]
            self._losses.emulated(
                f"{path}.is_error", "Anthropic takes only text in a failed result; words say it failed."
            )
        turn = self._turn("user")
        turn.results.append(block)
        self._mark(block, cache, path)

    def _add_reasoning(self, reasoning: Reasoning, path: str) -> None:
        seal = reasoning.seal
        if seal is None:
            self._losses.dropped(path, "Reasoning without a signature of Anthropic's.")
        elif seal.kind == "redacted":
            self._say("assistant", {"type": "redacted_thinking", "data": seal.blob}, None, path)
        else:
            text = "".join(reasoning.content or reasoning.summary)
            self._say("assistant", {"type": "thinking", "thinking": text, "signature": seal.blob}, None, path)

    # ---- turns -------------------------------------------------------------------------------------------------------

    def _turn(self, role: Literal["user", "assistant"]) -> Turn:
        if role == "assistant":
            self._release()
        if not self._turns or self._turns[-1].role != role:
            if role == "user" and self._waiting:
                self._lift(self._waiting[0][0].partition(".")[0], "A system message may only follow a user's turn.")
            self._turns.append(Turn(role))
        elif self._waiting:
            self._losses.moved(self._waiting[0][0].partition(".")[0], "It follows the user's turn it stood in.")
        return self._turns[-1]

    def _say(self, role: Literal["user", "assistant"], block: Block, cache: Cache | None, path: str) -> None:
        turn = self._turn(role)
        turn.blocks.append(block)
        turn.paths.append(path)
        self._mark(block, cache, path)

    def _mark(self, block: Block, cache: Cache | None, path: str) -> None:
        if cache is not None:
            block["cache_control"] = cache_control(cache)
            self.marks.append((path, block))

    def _mark_last(self, role: str, cache: Cache, path: str) -> None:
        """The marker of a text that says nothing goes to what was said before it, which ends the same prefix."""
        turn = self._turns[-1] if self._turns else None
        last = (turn.blocks or turn.results)[-1] if turn is not None and turn.role == role else None
        if last is None or "cache_control" in last or last["type"] in ("thinking", "redacted_thinking"):
            self._losses.dropped(f"{path}.cache_control", "Nothing is there to be cached.")
        else:
            self._mark(last, cache, path)

    def _drop_unfinished(self, turn: Turn) -> None:
        """Thinking that led to nothing ends a turn, and Anthropic refuses that."""
        while turn.blocks and turn.blocks[-1]["type"] in ("thinking", "redacted_thinking"):
            turn.blocks.pop()
            self._losses.dropped(turn.paths.pop(), "Reasoning that nothing followed.")

    def _end(self, prefill: bool) -> None:
        """An assistant's text at the end goes on, without white space before, or is followed by a user who says so."""
        last = self._turns[-1]
        if last.role != "assistant" or last.blocks[-1]["type"] != "text":
            return
        if prefill:
            last.blocks[-1]["text"] = str(last.blocks[-1]["text"]).rstrip()
            return
        self._losses.emulated("input", "The model wants the user to speak last; a line that says to go on was added.")
        ending = Turn("user")
        ending.blocks.append({"type": "text", "text": _GO_ON})
        self._turns.append(ending)

    def _ask_with_system(self) -> None:
        """Only instructions were given: the last of them is what the model is asked."""
        if not self.system:
            raise InvalidRequest("`input` says nothing: Anthropic's models need a message with content.", param="input")
        self._losses.moved("input", "Anthropic needs a user's message; the last instruction was sent as one.")
        turn = Turn("user")
        turn.blocks.append(self.system.pop())
        self._turns.append(turn)
