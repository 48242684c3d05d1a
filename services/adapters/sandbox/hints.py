"""Values that a prompt offers for arguments and answers: quoted texts, names, numbers, a command. Each is used once."""

import re
from collections.abc import Callable
from typing import Final

_QUOTED = re.compile(r"\"([^\"]+)\"|\u201c([^\u201d]+)\u201d|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)")
_NAME = re.compile(r"[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*")
_NUMBER = re.compile(r"(?<![\w.-])-?\d{1,15}(?:\.\d{1,15})?(?![\w-]|\.\d)")
_COMMAND = re.compile(r"\bcommand: *([^\n]+)")

_COMMAND_FIELDS: Final = frozenset({"cmd", "code", "command", "input", "script"})
_SENTENCE_ENDS: Final = ".!?:\n"


class Hints:
    """What is still unused of a prompt. `quoted` is public because it decides whether optional fields get a value."""

    def __init__(self, text: str = "") -> None:
        self.quoted = [next(filter(None, groups)) for groups in _QUOTED.findall(text)]
        unquoted = _QUOTED.sub(" ", text)
        self._names = _names(unquoted)
        self._numbers = _NUMBER.findall(unquoted)
        found = _COMMAND.search(text)
        self._command = found[1].split(" - ")[0].strip().strip("`") if found else None

    def string(self, field: str, fits: Callable[[str], bool] = lambda _: True) -> str | None:
        """A text for the field of that name: a command for `command` and its like, else a quoted text, else a name."""
        if self._command and field.lower() in _COMMAND_FIELDS and fits(self._command):
            return self._command
        return _take(self.quoted, fits) or _take(self._names, fits)

    def number(self, fits: Callable[[float], bool]) -> float | None:
        """The next number that fits."""
        text = _take(self._numbers, lambda number: fits(float(number)))
        return float(text) if text is not None else None

    def free_text(self) -> str | None:
        """What a tool that takes free text is called with: a command, else a quoted text."""
        return self._command or _take(self.quoted, lambda _: True)


def _take(values: list[str], fits: Callable[[str], bool]) -> str | None:
    for index, value in enumerate(values):
        if fits(value):
            return values.pop(index)
    return None


def _names(text: str) -> list[str]:
    """Capitalised words. The first of a sentence is no name unless the next word is not a common one ("Paris 7")."""
    names: list[str] = []
    for found in _NAME.finditer(text):
        before, after = text[: found.start()].rstrip(" \t")[-1:], text[found.end() :][:2]
        if found.start() and (text[found.start() - 1].isalnum() or text[found.start() - 1] in "_-"):
            continue
        if after[:1].isalnum() or after[:1] in ("_", "'"):
            continue
        begins_sentence = not before or before in _SENTENCE_ENDS
        if not begins_sentence or not (after[:1] == " " and after[1:].islower()):
            names.append(found[0])
    return names
