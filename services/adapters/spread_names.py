"""Names for tools that stand in groups, where names stand alone: unique, never too long, and the same in every request."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from services.vocabulary.call import Call, CustomTool, FunctionTool, ToolCall

LENGTH_MAX: Final = 64  # what OpenAI's chat format, Bedrock and others take
SEPARATOR: Final = "__"
SEARCH_NAME: Final = "tool_search"

_FORBIDDEN: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Names:
    """The names of one call."""

    def __init__(self, call: Call) -> None:
        self._plain = {tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)}
        self._plain |= {item.name for item in call.items if isinstance(item, ToolCall) and item.namespace is None}
        self._original: dict[str, tuple[str | None, str]] = {}
        self._flat: dict[tuple[str, str], str] = {}
        self.search = SEARCH_NAME if SEARCH_NAME not in self._plain else self._marked(SEARCH_NAME, "", SEARCH_NAME)

    def flat(self, namespace: str | None, name: str) -> str:
        """What the provider knows the tool by."""
        if namespace is None:
            return name
        known = self._flat.get((namespace, name))
        if known is not None:
            return known
        joined = f"{namespace.rstrip('_')}{SEPARATOR}{name}"
        flat = _FORBIDDEN.sub("_", joined)
        if flat != joined or len(flat) > LENGTH_MAX or flat in self._plain or flat in self._original:
            flat = self._marked(flat, namespace, name)
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
            return inner if inner and wanted not in self._plain else [wanted]
        return [flat for flat in offered if self.original(flat)[0] == wanted]

    def _groups(self) -> set[str]:
        return {namespace for namespace, _ in self._flat}

    @staticmethod
    def _marked(flat: str, namespace: str, name: str) -> str:
        mark = hashlib.sha256(f"{namespace}\0{name}".encode()).hexdigest()[:8]
        return f"{flat[: LENGTH_MAX - 9]}_{mark}"
