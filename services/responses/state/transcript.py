"""A conversation as a text, for a model that is to read it and not to go on with it. Pure."""

from collections.abc import Sequence

from services.vocabulary.call import File, Image, Item, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult


def transcript(conversation: Sequence[Item]) -> str:
    """Who said what, with tool calls and their results; what cannot be read is named."""
    return "\n\n".join(filter(None, map(_item, conversation)))


def _item(item: Item) -> str:
    match item:
        case Message(role=role, content=parts):
            return f"{role}: {_text(parts)}"
        case ToolCall(name=name, arguments=arguments, call_id=call_id):
            return f"assistant calls {name} ({call_id}): {arguments}"
        case ToolResult(call_id=call_id, output=parts):
            return f"result of {call_id}: {_text(parts)}"
        case Reasoning(summary=summary, content=content) if summary or content:
            return "assistant thinks: " + " ".join(summary or content)
        case _:
            return ""


def _text(parts: Sequence[Part]) -> str:
    return " ".join(map(_part, parts))


def _part(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case Image():
            return "[an image]"
        case File(filename=name):
            return f"[the file {name}]" if name else "[a file]"
        case _:
            return "[something else]"
