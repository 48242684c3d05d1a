"""A short string that matches a regular expression, made from the expression without ever running it.

Patterns come from callers, and matching one against a text can take for ever; building from one cannot. Covers what JSON
schemas use (ECMA 262): literals, classes, groups, alternatives, quantifiers, anchors at the ends. Not look-around, not
back-references.
"""

from dataclasses import dataclass
from typing import Final

LENGTH_MAX: Final = 10_000
_DEPTH_MAX: Final = 50
_ESCAPES: Final = {
    "d": "0",
    "w": "a",
    "s": " ",
    "D": "a",
    "W": "-",
    "S": "a",
    "t": "\t",
    "n": "\n",
    "r": "\r",
    "f": "\f",
}
_CANDIDATES: Final = "ax0A _-.~!/:,;\u00e9\u4e2d"  # for a class that says what may not be there


class Unsupported(ValueError):
    """The pattern is not one that a string can be made for."""


@dataclass(slots=True)
class _Repeat:
    node: "_Node"
    least: int
    most: int


_Sequence = list["str | _Repeat | _Choice"]


@dataclass(slots=True)
class _Choice:
    options: list[_Sequence]


_Node = str | _Repeat | _Choice


def matching(pattern: str, length: int = 0) -> str:
    """A string with at least `length` characters that matches. Raises `Unsupported` where none is found."""
    tree = _Parser(pattern).parse()
    text = _write(tree, 0)
    if len(text) < length:
        text = _write(tree, length - len(text))
    if len(text) < length and not pattern.endswith("$"):
        text = text.ljust(length, "x")
    if len(text) > LENGTH_MAX:
        raise Unsupported(f"a pattern whose strings are longer than {LENGTH_MAX} characters")
    if len(text) < length:
        raise Unsupported(f"no string of {length} characters for the pattern {pattern!r}")
    return text


def _write(node: _Node, extra: int) -> str:
    """extra: how many repetitions more than needed each open quantifier gives."""
    match node:
        case str():
            return node
        case _Repeat(inner, least, most):
            count = min(most, least + extra)
            text = _write(inner, 0)
            if len(text) * count > LENGTH_MAX:
                raise Unsupported(f"a pattern whose strings are longer than {LENGTH_MAX} characters")
            return text * count
        case _Choice(options):
            return min(("".join(_write(part, extra) for part in option) for option in options), key=len)


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def parse(self) -> _Choice:
        if len(self._pattern) > LENGTH_MAX:
            raise Unsupported("a pattern that is too long")
        tree = self._choice()
        if self._at < len(self._pattern):
            raise Unsupported(f"unbalanced ) in the pattern {self._pattern!r}")
        return tree

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise Unsupported(f"the pattern {self._pattern!r} ends early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _choice(self) -> _Choice:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise Unsupported("a pattern that is nested too deep")
        options: list[_Sequence] = [[]]
        while (char := self._peek()) and char != ")":
            if char == "|":
                self._at += 1
                options.append([])
            else:
                options[-1].append(self._quantified(self._atom()))
        self._depth -= 1
        return _Choice(options)

    def _atom(self) -> _Node:
        match self._next():
            case "^":
                if self._at > 1 and self._pattern[self._at - 2] not in "(|":
                    raise Unsupported("an anchor in the middle of a pattern")
                return ""
            case "$":
                if self._peek() not in ("", ")", "|"):
                    raise Unsupported("an anchor in the middle of a pattern")
                return ""
            case ".":
                return "x"
            case "[":
                return self._class()
            case "(":
                return self._group()
            case "\\":
                return self._escape()
            case char:
                return char

    def _group(self) -> _Node:
        if self._peek() == "?":
            self._at += 1
            kind = self._next()
            if kind == "P":
                kind = self._next()
            if kind == "<" and self._peek() not in ("=", "!"):
                while self._next() != ">":
                    pass
            elif kind != ":":
                raise Unsupported("a look-around in a pattern")
        inner = self._choice()
        if self._next() != ")":
            raise Unsupported("unbalanced ( in a pattern")
        return inner

    def _escape(self) -> str:
        char = self._next()
        if char in "uxc":
            return chr(self._code(char))
        if char in "pP":
            while self._next() != "}":
                pass
            return "a" if char == "p" else "-"
        if char in "bBkAZz" or char.isdigit():
            raise Unsupported(f"\\{char} in a pattern")
        return _ESCAPES.get(char, char)

    def _code(self, kind: str) -> int:
        digits = {"u": 4, "x": 2}.get(kind, 0)
        text = self._pattern[self._at : self._at + digits]
        if not digits or len(text) < digits or any(char not in "0123456789abcdefABCDEF" for char in text):
            raise Unsupported(f"\\{kind} in a pattern")
        self._at += digits
        code = int(text, 16)
        if 0xD800 <= code <= 0xDFFF:
            raise Unsupported("half a surrogate pair in a pattern")
        return code

    def _class(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[str, str]] = []
        named: set[str] = set()
        while (char := self._next()) != "]":
            if char == "\\":
                escaped = self._peek()
                char = self._escape()
                if escaped in "dwsDWSpP":
                    named.add(escaped)
            low = high = char
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._next()
                if high == "\\":
                    high = self._escape()
            ranges.append((low, high))
        if not negated:
            if not ranges:
                raise Unsupported("an empty class in a pattern")
            return ranges[0][0]
        for candidate in _CANDIDATES:
            if not any(low <= candidate <= high for low, high in ranges) and not _named(candidate, named):
                return candidate
        raise Unsupported("a class that leaves no common character")

    def _quantified(self, atom: _Node) -> _Node:
        match self._peek():
            case "*":
                least, most = 0, LENGTH_MAX
            case "+":
                least, most = 1, LENGTH_MAX
            case "?":
                least, most = 0, 1
            case "{" if (bounds := self._bounds()) is not None:
                least, most = bounds
            case _:
                return atom
        self._at += 1
        if self._peek() in ("?", "+"):  # lazy or possessive: the same strings
            self._at += 1
        return _Repeat(atom, least, most)

    def _bounds(self) -> tuple[int, int] | None:
        """`{2}`, `{2,}` or `{2,5}`; leaves the position at the closing brace. None when the brace is a literal."""
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if end < 0 or not low.isdecimal() or (high and not high.isdecimal()) or len(low) > 9 or len(high) > 9:
            return None
        self._at = end
        least = int(low)
        return least, int(high) if high else LENGTH_MAX if comma else least


def _named(char: str, classes: set[str]) -> bool:
    """Whether a class escape (digit, word, space or an opposite) holds the character; a Unicode one holds any letter."""
    word = char.isascii() and (char.isalnum() or char == "_")
    holds = {"d": char.isdigit(), "w": word, "s": char.isspace(), "p": char.isalpha()}
    return any(holds[name] if name in holds else not holds[name.lower()] for name in classes)
