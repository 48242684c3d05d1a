"""In which of its wire formats a provider is asked.

Usually in the one its row names. A caller's own format is chosen instead where the provider speaks that too and the call needs
what the usual one lacks: OpenAI has several answers (`n`), audio, moderation and very short ones in Chat Completions alone. What
reasoning models refuse anyway (`stop`, `seed`, penalties) is a reason only for a model that is known not to reason.
"""

from typing import Final

import msgspec

from services.catalog.schema import Target
from services.vocabulary.call import Call, Message, Opaque

CHAT: Final = "openai_chat"
OUTPUT_MIN: Final = 16
"""The Responses API takes no lower limit of output tokens."""

_NEEDED: Final = frozenset({"n", "modalities", "moderation"})  # otherwise the call is refused (carry.py)
_WANTED: Final = frozenset({"logit_bias", "prediction"})


def spoken(call: Call, target: Target) -> Target:
    """The target in the format to ask it in."""
    native = call.native
    if native is None or native.format != CHAT or CHAT not in target.provider.also or target.dialect == CHAT:
        return target
    if _needs_chat(call) or (target.facts.efforts == [] and _wants_chat(call)):
        return msgspec.structs.replace(target, dialect=CHAT)
    return target


def _needs_chat(call: Call) -> bool:
    if call.max_output_tokens is not None and call.max_output_tokens < OUTPUT_MIN:
        return True
    return not _NEEDED.isdisjoint(call.extra) or any(
        isinstance(part, Opaque) for item in call.items if isinstance(item, Message) for part in item.content
    )


def _wants_chat(call: Call) -> bool:
    asked = (call.stop or None, call.seed, call.presence_penalty, call.frequency_penalty)
    return any(value is not None for value in asked) or not _WANTED.isdisjoint(call.extra)
