"""Function names: ours may hold what Gemini refuses, so such names travel changed and come back as they were.

"Must start with a letter or an underscore. Must be a-z, A-Z, 0-9, or contain underscores, dots, colons and dashes, with a
maximum length of 128."  https://ai.google.dev/api/caching#FunctionDeclaration
"""

import re
from typing import Final

from services.vocabulary.call import Call, CustomTool, FunctionTool, ToolCall

LENGTH_MAX: Final = 128
_VALID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_.:-]")


def wire_names(call: Call) -> dict[str, str]:
    """Client's name -> name on the wire, only for names that cannot travel as they are."""
    names = [tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)]
    names += [item.name for item in call.items if isinstance(item, ToolCall)]
    changed: dict[str, str] = {}
    taken = {name for name in names if _VALID.fullmatch(name)}
    for name in names:
        if name in taken or name in changed:
            continue
        wire = _FORBIDDEN.sub("_", name)
        wire = wire if wire[:1].isalpha() or wire[:1] == "_" else f"_{wire}"
        changed[name] = wire = _unique(wire[:LENGTH_MAX], {*taken, *changed.values()})
    return changed


def client_names(call: Call) -> dict[str, str]:
    """Name on the wire -> client's name: the way back."""
    return {wire: name for name, wire in wire_names(call).items()}


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        suffix = f"_{number}"
        candidate = name[: LENGTH_MAX - len(suffix)] + suffix
    return candidate
