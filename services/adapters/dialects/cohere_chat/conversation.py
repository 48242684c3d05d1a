"""Items -> Cohere's messages: those of the chat format, with the model's plan beside its calls and thinking as a part."""

from collections.abc import Iterator

from services.adapters.dialects.openai_chat.conversation import Turn, Writer
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.errors import InvalidRequest
from services.vocabulary.call import Call, Reasoning, Text

PLAN = "plan"  # the kind of seal by which a plan is known when it comes back


class CohereWriter(Writer):
    """Writes messages. Plans go back as `tool_plan`, all other reasoning as a thinking part."""

    def __init__(self, writing: Writing) -> None:
        super().__init__(writing)
        self._plans: dict[int, list[str]] = {}  # by the turn's identity: turns live as long as this

    def reasoned(self, item: Reasoning, path: str) -> None:
        """A plan or a thought of an earlier turn."""
        texts = item.content or item.summary
        if item.seal is not None and item.seal.kind == PLAN:
            self._plans.setdefault(id(self.turn(fresh=True)), []).extend(texts)
        elif texts and self.writing.target.facts.efforts != []:
            self.turn(fresh=True).reasoning += texts
        elif texts or item.seal is not None:
            self.writing.lose(path, "dropped", f"{self.writing.target.id} takes no earlier reasoning back")

    def assistant(self, turn: Turn) -> Wire:
        """One message of the assistant."""
        message: Wire = {"role": "assistant"}
        plan = self._plans.get(id(turn), [])
        thoughts = turn.reasoning if turn.calls else [*turn.reasoning, *plan]  # a plan needs calls
        if content := [*_thinking(thoughts), *turn.content]:
            message["content"] = self.content_of(content)
        if turn.calls:
            if plan:
                message["tool_plan"] = "\n\n".join(plan)
            message["tool_calls"] = turn.calls
        return message

    def finish(self) -> list[Wire]:
        """All messages. A user or a tool has the last word: prompts after it are moved to the beginning.

        Raises `InvalidRequest` when the assistant has it, because there is no prefix to go on from.
        """
        messages = super().finish()
        said = [index for index, message in enumerate(messages) if message["role"] != "system"]
        if not said:
            return messages
        late = messages[said[-1] + 1 :]
        if late:
            self.writing.lose("input", "moved", "a system prompt at the end stands before the conversation")
            messages = [*messages[: said[0]], *late, *messages[said[0] : said[-1] + 1]]
        if messages[-1]["role"] == "assistant":
            raise InvalidRequest(
                f"{self.writing.name} answers a user or a tool; the input ends with the assistant.", param="input"
            )
        return messages


def write_messages(call: Call, writing: Writing) -> list[Wire]:
    """All messages, instructions first."""
    writer = CohereWriter(writing)
    if call.instructions is not None:
        writer.prompt("system", [Text(call.instructions)], "instructions")
    for index, item in enumerate(call.items):
        writer.add(item, f"input[{index}]")
    return writer.finish()


def _thinking(texts: list[str]) -> Iterator[Wire]:
    for text in texts:
        yield {"type": "thinking", "thinking": text}
