"""Edits of `system` and `messages` on the native lane.

Only the messages that need one are taken apart; all others stay as the bytes they came in.
"""

import re
from typing import Final

import msgspec

from services.adapters.dialects.anthropic_messages.content import Block, cache_control
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.models import Traits
from services.vocabulary.call import Cache, Call, Hosted, Message, Reasoning
from services.vocabulary.seal import PREFIX, seal

Fields = dict[str, msgspec.Raw]

_TAG: Final = f'"{PREFIX}'.encode()
_OUR_SEARCH: Final = b'"srvtoolu_cn1_'  # ids of searches that the gateway wrote down for another provider
_BILLING: Final = b"x-anthropic-billing-header:"
_SYSTEM_ROLE: Final = re.compile(rb'"role"\s*:\s*"system"')
_SCOPE: Final = re.compile(
    rb'("cache_control"\s*:\s*\{[^{}]*?)(?:,\s*"scope"\s*:\s*"[^"]*"|"scope"\s*:\s*"[^"]*"\s*,\s*)([^{}]*\})'
)
_KEYS: Final = (b'"signature":"', b'"data":"', b'"signature": "', b'"data": "')
_FOREIGN: Final = "Reasoning or a search of another provider, which only that one can read."

_fields = msgspec.json.Decoder(Fields)
_list = msgspec.json.Decoder(list[msgspec.Raw])


class _Typed(msgspec.Struct):
    type: str = ""
    id: str = ""
    tool_use_id: str = ""
    text: str = ""


_typed = msgspec.json.Decoder(_Typed)


class Messages:
    """Edits one request's messages. `carry.prepare` has taken away the seals that this target must not see."""

    def __init__(self, call: Call, accepts: Traits, losses: Losses) -> None:
        reasoning = [item for item in call.items if isinstance(item, Reasoning)]
        tagged = [item.seal for item in reasoning if item.seal is not None and item.seal.provider]
        self._home = {seal(each.blob, each.provider, each.scope, each.kind): each.blob for each in tagged}
        self._prefixes = {seal("", each.provider, each.scope, each.kind).encode() for each in tagged}
        self._tagged = len(tagged)
        self._foreign = any(item.seal is None for item in reasoning) or any(
            isinstance(item, Hosted) for item in call.items
        )
        self._system_turns = accepts.system_turns or not any(
            isinstance(item, Message) and item.role == "system" for item in call.items
        )
        self._losses = losses

    def edit(self, fields: Block) -> None:
        """Makes the edits that are needed."""
        before = raw = bytes(_raw_of(fields, "messages"))
        if self._tagged or self._foreign:
            raw = self._untagged(raw)
        lifted: list[msgspec.Raw] = []
        if not self._system_turns and _SYSTEM_ROLE.search(raw):
            raw = self._lift(raw, lifted)
        if raw is not before:
            fields["messages"] = msgspec.Raw(raw)
        if lifted:
            _add_to_system(fields, lifted)

    # ---- reasoning ---------------------------------------------------------------------------------------------------

    def _untagged(self, raw: bytes) -> bytes:
        """Without our tags. Where all that is tagged is this provider's own, no message is taken apart."""
        left = self._tagged
        for prefix in self._prefixes:
            for key in _KEYS:
                if left > 0:
                    size = len(raw)
                    raw = raw.replace(key + prefix, key)
                    left -= (size - len(raw)) // len(prefix)
        if not (left or self._foreign) or (_TAG not in raw and _OUR_SEARCH not in raw):
            return raw
        kept: list[msgspec.Raw] = []
        for index, message in enumerate(_list.decode(raw)):
            text = bytes(message)
            if _TAG not in text and _OUR_SEARCH not in text:
                kept.append(message)
            elif (edited := self._message(message, f"messages[{index}]")) is not None:
                kept.append(edited)
        return msgspec.json.encode(kept)

    def _message(self, message: msgspec.Raw, path: str) -> msgspec.Raw | None:
        """The message without what is foreign; None when nothing else was in it."""
        fields = _fields.decode(message)
        content = fields["content"]
        if not bytes(content).startswith(b"["):
            return message  # a text that only looks like it
        blocks: list[msgspec.Raw] = []
        for index, block in enumerate(_list.decode(content)):
            edited = self._block(block)
            if edited is None:
                self._losses.dropped(f"{path}.content[{index}]", _FOREIGN)
            else:
                blocks.append(edited)
        if not blocks:
            return None
        return _raw({**fields, "content": blocks})

    def _block(self, block: msgspec.Raw) -> msgspec.Raw | None:
        typed = _typed.decode(block)
        match typed.type:
            case "thinking":
                return self._proven(block, "signature")
            case "redacted_thinking":
                return self._proven(block, "data")
            case "server_tool_use" if f'"{typed.id}'.encode().startswith(_OUR_SEARCH):
                return None
            case "web_search_tool_result" if f'"{typed.tool_use_id}'.encode().startswith(_OUR_SEARCH):
                return None
            case "text" if _TAG in bytes(block):
                return _without_our_citations(block)
        return block

    def _proven(self, block: msgspec.Raw, name: str) -> msgspec.Raw | None:
        fields = _fields.decode(block)
        proof = fields.get(name)
        text = msgspec.json.decode(proof) if proof is not None else None
        if not isinstance(text, str) or not text.startswith(PREFIX):
            return block
        if text not in self._home:
            return None
        return _raw({**fields, name: self._home[text]})

    # ---- system turns ------------------------------------------------------------------------------------------------

    def _lift(self, raw: bytes, lifted: list[msgspec.Raw]) -> bytes:
        kept: list[msgspec.Raw] = []
        for index, message in enumerate(_list.decode(raw)):
            fields = _fields.decode(message) if _SYSTEM_ROLE.search(bytes(message)) else {}
            if bytes(fields.get("role", b"")) != b'"system"':
                kept.append(message)
                continue
            content = fields["content"]
            blocks = _list.decode(content) if bytes(content).startswith(b"[") else [_text(content)]
            lifted += blocks
            self._losses.moved(f"messages[{index}]", "The model takes system messages only at the beginning.")
        return msgspec.json.encode(kept) if lifted else raw


def _without_our_citations(block: msgspec.Raw) -> msgspec.Raw:
    """The text without citations that the gateway wrote down for another provider."""
    fields = _fields.decode(block)
    citations = fields.get("citations")
    if citations is None or not bytes(citations).startswith(b"["):
        return block
    kept = [one for one in _list.decode(citations) if _TAG not in bytes(one)]
    if kept:
        return _raw({**fields, "citations": kept})
    del fields["citations"]
    return _raw(fields)


def without_billing(fields: Block) -> None:
    """Takes the billing block out of `system`."""
    raw = fields.get("system")
    if not isinstance(raw, msgspec.Raw) or _BILLING not in bytes(raw) or not bytes(raw).startswith(b"["):
        return
    blocks = _list.decode(raw)
    kept = [block for block in blocks if not _typed.decode(block).text.startswith(_BILLING.decode())]
    if kept:
        fields["system"] = _raw(kept)
    else:
        del fields["system"]


def without_scopes(fields: Block) -> None:
    """Takes `scope` out of cache markers: what shares a cache between organisations needs a beta."""
    for name in ("system", "messages", "tools", "cache_control"):
        raw = fields.get(name)
        if not isinstance(raw, msgspec.Raw) or b'"scope"' not in bytes(raw):
            continue
        data = bytes(raw) if name != "cache_control" else b'"cache_control":' + bytes(raw)
        data = _SCOPE.sub(rb"\1\2", data)
        fields[name] = msgspec.Raw(data.removeprefix(b'"cache_control":') if name == "cache_control" else data)


def marked(fields: Block, cache: Cache) -> None:
    """Puts a cache marker on the last block of the last message, which means the same as one on the whole request."""
    messages = _list.decode(_raw_of(fields, "messages"))
    last = _fields.decode(messages[-1])
    content = last["content"]
    blocks = _list.decode(content) if bytes(content).startswith(b"[") else [_text(content)]
    if not blocks or b'"cache_control"' in bytes(blocks[-1]):
        return
    blocks[-1] = _raw({**_fields.decode(blocks[-1]), "cache_control": cache_control(cache)})
    messages[-1] = _raw({**last, "content": blocks})
    fields["messages"] = _raw(messages)


def _add_to_system(fields: Block, blocks: list[msgspec.Raw]) -> None:
    raw = fields.get("system")
    system: list[msgspec.Raw] = []
    if isinstance(raw, msgspec.Raw) and bytes(raw) not in (b"null", b'""'):
        system = _list.decode(raw) if bytes(raw).startswith(b"[") else [_text(raw)]
    fields["system"] = _raw([*system, *blocks])


def _raw_of(fields: Block, name: str) -> msgspec.Raw:
    raw = fields[name]
    assert isinstance(raw, msgspec.Raw), "untouched so far"
    return raw


def _text(content: msgspec.Raw) -> msgspec.Raw:
    return _raw({"type": "text", "text": content})


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
