"""Names that look like a wrong one, found without comparing it to each: for errors, which anybody may cause at any rate."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

QUERY_LENGTH_MAX: Final = 100
_CUTOFF: Final = 0.25
_SHORT: Final = 5
_CUTOFF_SHORT: Final = 0.14
"""In a word of up to `_SHORT` pieces one wrong letter leaves one piece in seven."""

_COMMON: Final = 300
"""A piece that so many names have says little about any of them, and would cost the most."""


class Suggestions:
    """An index of names by their pieces of three letters; case and punctuation do not count."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sizes: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}
        for name in names:
            if name not in self._sizes:
                pieces = _pieces(name)
                self._sizes[name] = len(pieces)
                for piece in pieces:
                    self._names.setdefault(piece, []).append(name)

    def near(self, wrong: str, count: int = 3) -> list[str]:
        """At most `count` names that share enough pieces with a wrong one, best first."""
        pieces = _pieces(wrong[:QUERY_LENGTH_MAX])
        found = [names for piece in pieces if (names := self._names.get(piece))]
        found = [names for names in found if len(names) <= _COMMON] or [names[:_COMMON] for names in found]
        shared = Counter(name for names in found for name in names)
        scores = {name: self._score(name, pieces, number) for name, number in shared.items()}
        best = sorted(scores, key=lambda name: (-scores[name], len(name), name))
        cutoff = _CUTOFF_SHORT if len(pieces) <= _SHORT else _CUTOFF
        return [name for name in best[:count] if scores[name] >= cutoff]

    def _score(self, name: str, pieces: set[str], shared: int) -> float:
        return shared / (len(pieces) + self._sizes[name] - shared)


def _pieces(name: str) -> set[str]:
    letters = f"^{''.join(filter(str.isalnum, name.lower()))}$"
    return {letters[start : start + 3] for start in range(max(1, len(letters) - 2))}
