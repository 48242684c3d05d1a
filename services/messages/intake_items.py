"""`system` and `messages` -> items of a `Call`, with the place each came from.

A message's blocks that say something, in a row, are one item; tool calls, results and reasoning are items of their own. What
is not read (blocks of server tools, types to come) is kept as it came: the native lane carries it, and other formats drop
receipts and refuse the rest by name.
"""

from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.messages.intake_parts import FORMAT, Parts, cache, lacking, read_block
from services.messages.places import Place
from services.messages.schema import Block, MessageParam
from services.vocabulary.call import Hosted, Item, Message, Reasoning, Role, Seal, Text, ToolCall, ToolResult
from services.vocabulary.event import Loss
from services.vocabulary.seal import unseal

BILLING: Final = "x-anthropic-billing-header:"
"""What the first system block of Claude Code begins with. It varies from call to call, which no other provider's cache
survives; only Anthropic itself knows to leave it out."""


class Items:
    """Reads one request. `items` and `places` grow together; `losses` is what no item can hold."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.places: list[Place] = []
        self.losses: list[Loss] = []

    def system(self, blocks: list[msgspec.Raw]) -> None:
        """System blocks, which may carry cache markers: a system message before all others."""
        parts = Parts(self.losses)
        for index, raw in enumerate(blocks):
            path = f"system[{index}]"
            block = read_block(raw, path)
            if block.type != "text" or block.text is None:
                raise InvalidRequest(f"System blocks hold text only (at {path}.type).", param=f"{path}.type")
            if not block.text.startswith(BILLING):
                parts.add(Text(block.text, cache(block.cache_control)), path)
        self._said("system", parts, "system")

    def messages(self, messages: list[MessageParam]) -> None:
        """All messages. Raises `InvalidRequest`."""
        if not messages:
            raise InvalidRequest("`messages` must not be empty.", param="messages")
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            if isinstance(message.content, str):
                self._add(Message(message.role, [Text(message.content)]), Place(path, (f"{path}.content",)))
            else:
                self._blocks(message.role, message.content, path)

    def _blocks(self, role: Role, blocks: list[msgspec.Raw], path: str) -> None:
        said = Parts(self.losses)
        for index, raw in enumerate(blocks):
            where = f"{path}.content[{index}]"
            block = read_block(raw, where)
            if said.take(block, where):
                continue
            self._said(role, said, path)
            said = Parts(self.losses)
            self._other(block, raw, where)
        self._said(role, said, path)

    def _said(self, role: Role, said: Parts, path: str) -> None:
        if said.parts:
            self._add(Message(role, said.parts), Place(path, said.paths))

    def _other(self, block: Block, raw: msgspec.Raw, path: str) -> None:
        match block.type:
            case "tool_use":
                self._tool_use(block, path)
            case "tool_result":
                self._tool_result(block, path)
            case "thinking":
                if block.thinking is None:
                    raise lacking("thinking", path)
                texts = [block.thinking] if block.thinking else []
                self._add(Reasoning(texts, seal=_seal(block.signature, "thinking")), Place(path))
            case "redacted_thinking":
                self._add(Reasoning(seal=_seal(block.data, "redacted")), Place(path))
            case "compaction" if isinstance(block.content, str):
                text = Text(block.content, cache(block.cache_control))
                self._add(Message("assistant", [text]), Place(path, (path,)))
            case "compaction" if block.content is None:
                pass  # one that failed: it stands for nothing
            case other:
                self._add(Hosted(other, raw, FORMAT), Place(path))

    def _tool_use(self, block: Block, path: str) -> None:
        if not block.id or not block.name:
            raise lacking("id" if not block.id else "name", path)
        given = bytes(block.input)
        if not given.startswith(b"{"):
            raise InvalidRequest(f"Expected an object (at {path}.input).", param=f"{path}.input")
        self._add(ToolCall(block.id, block.name, given.decode(), cache=cache(block.cache_control)), Place(path))

    def _tool_result(self, block: Block, path: str) -> None:
        if not block.tool_use_id:
            raise lacking("tool_use_id", path)
        output = Parts(self.losses)
        output.content(block.content, f"{path}.content")
        result = ToolResult(
            block.tool_use_id, output.parts, is_error=bool(block.is_error), cache=cache(block.cache_control)
        )
        self._add(result, Place(path, output.paths))

    def _add(self, item: Item, place: Place) -> None:
        self.items.append(item)
        self.places.append(place)


def _seal(blob: str | None, kind: str) -> Seal | None:
    """Whose reasoning it is. A signature without our tag is Anthropic's own; a tag without a blob proves nothing."""
    if not blob:
        return None
    seal = unseal(blob)
    if not seal.provider:
        return Seal(blob, kind=kind)
    return seal if seal.blob or seal.kind else None
