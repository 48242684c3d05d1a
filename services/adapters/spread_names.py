"""Names for tools that stand in groups, where names stand alone, and for those that are too long: unique, and always the same."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from services.vocabulary.call import Call, CustomTool, FunctionTool, ToolCall

LENGTH_MAX: Final = 64  # what OpenAI's chat format, Bedrock and others take
SEPARATOR: Final = "__"
SEARCH_NAME: Final = "tool_search"

_FORBIDDEN: Final = re.compile(r"[^a-zA-Z0-9_-]")


def fits(name: str) -> bool:
    """Whether a tool can have this name everywhere."""
    return len(name) <= LENGTH_MAX and _FORBIDDEN.search(name) is None


class Names:
    """The names of one call."""

    def __init__(self, call: Call) -> None:
        self._plain = {tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)}
        self._plain |= {item.name for item in call.items if isinstance(item, ToolCall) and item.namespace is None}
        self._original: dict[str, tuple[str | None, str]] = {}
        self._flat: dict[tuple[str | None, str], str] = {}
        self.search = SEARCH_NAME if SEARCH_NAME not in self._plain else self._marked(SEARCH_NAME, "", SEARCH_NAME)

    def flat(self, namespace: str | None, name: str) -> str:
        """What the provider knows the tool by."""
        if namespace is None and fits(name):
            return name
        known = self._flat.get((namespace, name))
        if known is not None:
            return known
        flat = name if namespace is None else f"{namespace.rstrip('_')}{SEPARATOR}{name}"
        if not fits(flat) or flat in self._plain or flat in self._original:
            flat = self._marked(_FORBIDDEN.sub("_", flat), namespace or "", name)
        self._flat[namespace, name] = flat
        self._original[flat] = (namespace, name)
        return flat

    def original(self, flat: str) -> tuple[str | None, str]:
        """Namespace and name of what the provider calls `flat`."""
        return self._original.get(flat, (None, flat))

    def meant(self, wanted: str, offered: Sequence[str]) -> list[str]:
        """The offered tools that a choice means: one by its name, or all of a namespace."""
        if wanted in self._plain or wanted not in self._groups():
            inner = [flat for flat in offered if self.original(flat)[1] == wanted]
            return inner if inner and wanted not in self._plain else [self.flat(None, wanted)]
        return [flat for flat in offered if self.original(flat)[0] == wanted]

    def _groups(self) -> set[str | None]:
        return {namespace for namespace, _ in self._flat}

    @staticmethod
    def _marked(flat: str, namespace: str, name: str) -> str:
        mark = hashlib.sha256(f"{namespace}\0{name}".encode()).hexdigest()[:8]
        return f"{flat[: LENGTH_MAX - 9]}_{mark}"
