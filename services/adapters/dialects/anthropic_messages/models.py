"""What a Claude model accepts, told from its name, so that a model works on the day it appears.

Facts of the catalogue win over what is told here. Names are read as they stand on Anthropic, Vertex (`claude-opus-4-1@20250805`)
and Bedrock (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`). A Claude without a version, or newer than any known one, is
taken for the newest: the strictest there is. A name that is no Claude's (other makers serve this format too) is taken for
a plain model of the first years of the format, which every server of it understands.

https://platform.claude.com/docs/en/about-claude/models/overview
https://platform.claude.com/docs/en/build-with-claude/thinking, …/effort, …/structured-outputs,
…/mid-conversation-system-messages; the `whats-new` pages of Opus 4.7, 5, 5.5, Sonnet 5, 5.5, Haiku 5.5 and Fable 5.1
"""

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from services.catalog.schema import Facts
from services.vocabulary.call import EFFORTS, Effort

_NAME: Final = re.compile(
    r"claude-(?:v?(\d)(?:[-.](\d{1,2})(?!\d))?(?:-|$|[:@]))?"
    r"(?:(instant|haiku|sonnet|opus|fable|mythos)(?:-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d))?)?"
)
_NEWEST: Final = (99, 0)
_LEVELS: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")


class Traits(msgspec.Struct, frozen=True):
    """What a model accepts.

    max_output: the most `max_tokens` may be. thinking: how it is told to think.
    thinks_unasked: it thinks when nothing is said. off: the `thinking.type` that stops it; None where nothing does.
    efforts: what `output_config.effort` may be (adaptive thinking), or which efforts get a budget.
    shows_thinking: readable thinking comes unasked; otherwise `thinking.display` has to ask for it.
    sampling: temperature, top_p and top_k are accepted; samplers_together: temperature and top_p in one request.
    forced_tools: `tool_choice` any and tool. schemas: `output_config.format` and strict tools.
    system_turns: messages with the role system after the first user turn. prefill: an assistant may speak last.
    """

    max_output: int
    thinking: Literal["none", "budget", "adaptive"]
    thinks_unasked: bool
    off: Literal["disabled", "between_tools"] | None
    efforts: tuple[Effort, ...]
    shows_thinking: bool
    sampling: bool
    samplers_together: bool
    forced_tools: bool
    schemas: bool
    system_turns: bool
    prefill: bool


def traits(upstream: str, facts: Facts) -> Traits:
    """What the model accepts: the catalogue's word where it has one, else its name's."""
    told = by_name(upstream)
    changes: dict[str, object] = {}
    if facts.thinking is not None and facts.thinking != told.thinking:
        changes["thinking"] = facts.thinking
        changes["efforts"] = _LEVELS if facts.thinking == "adaptive" else EFFORTS[1:]
    if facts.efforts is not None:
        changes["efforts"] = tuple(effort for effort in facts.efforts if effort != "none")
    if facts.max_output is not None:
        changes["max_output"] = facts.max_output
    if facts.json_schema is not None:
        changes["schemas"] = facts.json_schema
    if facts.temperature is not None:
        changes["sampling"] = facts.temperature
    return msgspec.structs.replace(told, **changes) if changes else told


@lru_cache(maxsize=1024)
def by_name(name: str) -> Traits:
    """What a model of this name accepts."""
    found = _NAME.search(name.lower())
    if found is None:
        return _foreign()
    family = found[3] or ""
    major, minor = found[4] or found[1], found[5] if found[4] else found[2]
    version = (int(major), int(minor or 0)) if major else _NEWEST
    if family == "mythos" and not major:
        version = (4, 99)  # claude-mythos-preview: after 4.8 in what it accepts, before 5
    if family == "instant":
        version = (1, 0)
    return _claude(family, version)


def _claude(family: str, version: tuple[int, int]) -> Traits:
    frontier = family in ("fable", "mythos")
    thinking: Literal["none", "budget", "adaptive"] = (
        "adaptive" if version >= (4, 6) else "budget" if version >= (3, 7) else "none"
    )
    always_on = frontier or (family == "opus" and version >= (5, 5)) or version > (5, 5)
    newest_sonnet = family == "sonnet" and version >= (5, 5)
    return Traits(
        max_output=_max_output(family, version),
        thinking=thinking,
        thinks_unasked=frontier or version >= (5, 0),
        off="between_tools" if newest_sonnet else None if always_on else "disabled",
        efforts=_efforts(version),
        shows_thinking=version < (4, 7),
        sampling=version < (4, 7),
        samplers_together=version < (4, 1),
        forced_tools=not (
            (frontier and (version >= (5, 1) or version < (5, 0)))
            or (family in ("opus", "sonnet") and version >= (5, 5))
            or version > (5, 5)
        ),
        schemas=version >= ((4, 1) if family == "opus" else (4, 5)),
        system_turns=version >= {"opus": (4, 8), "fable": (5, 0), "mythos": (5, 0)}.get(family, (5, 5)),
        prefill=version < (4, 6),
    )


def _max_output(family: str, version: tuple[int, int]) -> int:
    if version >= (4, 6):
        return 128_000
    if family == "opus" and (4, 0) <= version < (4, 5):
        return 32_000
    if version >= (3, 7):
        return 64_000
    return 8192 if version >= (3, 5) else 4096


def _efforts(version: tuple[int, int]) -> tuple[Effort, ...]:
    if version >= (4, 7):
        return _LEVELS
    if version >= (4, 6):
        return ("low", "medium", "high", "max")
    return EFFORTS[1:] if version >= (3, 7) else ()


def _foreign() -> Traits:
    return Traits(
        max_output=8192,
        thinking="budget",
        thinks_unasked=False,
        off="disabled",
        efforts=EFFORTS[1:],
        shows_thinking=True,
        sampling=True,
        samplers_together=True,
        forced_tools=True,
        schemas=False,
        system_turns=False,
        prefill=True,
    )
