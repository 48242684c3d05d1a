"""What model families put around a prompt, and how densely they read it.

Providers tell the model about its tools in words of their own, and some begin every conversation with some; for short prompts
that is most of the bill. Set against recorded usage, rounded upwards; Anthropic publishes its numbers:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
"""

from typing import Final

import msgspec


class Frame(msgspec.Struct, frozen=True):
    """Tokens around each conversation, around its tools together, each tool, and a schema of the answer.

    characters: of English text, code and JSON, for a token.
    """

    conversation: float = 10
    tools: float = 40
    tool: float = 14
    schema: float = 30
    characters: float = 3.3


USUAL: Final = Frame()

_FRAMES: Final[tuple[tuple[str, Frame], ...]] = (
    ("claude", Frame(tools=430, tool=30, schema=160, characters=3.1)),
    ("grok", Frame(conversation=180, tools=170, tool=60)),
    ("nova-2", Frame(tools=820)),
    ("nova", Frame(conversation=30, tools=350)),
    ("llama", Frame(conversation=25, tools=250, tool=40)),
)


def frame_of(model: str) -> Frame:
    """The frame of a model by its name: a public one or a provider's."""
    name = model.lower()
    return next((frame for part, frame in _FRAMES if part in name), USUAL)
