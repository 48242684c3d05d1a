"""The `[[…]]` directives that people write into a prompt to get a certain behaviour. `docs/sandbox.md` shows each one."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.adapters.dialect import Kind, UpstreamError

WORDS_MAX: Final = 100_000  # protects memory: one event per word
PAUSE_MS_MAX: Final = 60_000  # a longer silence is what `hang` is for

_OPENING = re.compile(
    r"\[\[(cached|cut|delay|error|fail|filter|hang|length|long|malformed|refuse|say|search|think|tool|wait)\b"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error instead of an answer. retry_after: seconds, as the header would say."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Forced:
    """A tool to be called; `arguments` is JSON text as written, None where it is left to us."""

    name: str
    arguments: str | None = None


@dataclass(slots=True)
class Directives:
    """What a prompt asks for. None, False and empty mean: not asked. `*_after` counts pieces (words) already sent."""

    wait_ms: int = 0
    delay_ms: int = 0
    fail: Failure | None = None
    error_after: int | None = None
    cut_after: int | None = None
    malformed_after: int | None = None
    hang_after: int | None = None
    say: str | None = None
    long: int | None = None
    refuse: bool = False
    length: bool = False
    filter: bool = False
    think: int | None = None
    search: str | None = None
    cached: int = 0
    tools: list[Forced] = field(default_factory=list)


def read(text: str) -> tuple[Directives, str]:
    """The directives in a prompt, and the prompt without them. Raises `UpstreamError(CALLER)` for a malformed one."""
    directives, rest, position = Directives(), [], 0
    while found := _OPENING.search(text, position):
        name = found[1]
        argument, end = _tool_argument(text, found.end()) if name == "tool" else _argument(text, found.end(), name)
        _READERS[name](directives, argument)
        rest.append(text[position : found.start()])
        position = end
    rest.append(text[position:])
    return directives, "".join(rest).strip() if len(rest) > 1 else text


def _argument(text: str, start: int, name: str) -> tuple[str, int]:
    end = text.find("]]", start)
    if end < 0:
        raise _malformed(name, "it has no closing ]]")
    return text[start:end].strip(), end + 2


def _tool_argument(text: str, start: int) -> tuple[str, int]:
    """`get_weather {"location": "Rome"}`: the JSON may itself hold brackets, so it is read as JSON."""
    opening, closing = text.find("{", start), text.find("]]", start)
    if 0 <= opening < closing:
        try:
            _, end = json.JSONDecoder().raw_decode(text, opening)
        except (ValueError, RecursionError):
            raise _malformed("tool", "its arguments are not a JSON object") from None
        closing = text.find("]]", end)
    if closing < 0:
        raise _malformed("tool", "it has no closing ]]")
    return text[start:closing].strip(), closing + 2


def _malformed(name: str, why: str) -> UpstreamError:
    return UpstreamError(Kind.CALLER, f"sandbox: the directive [[{name}]] cannot be read: {why}.", status=400)


def _numbers(name: str, argument: str, *, at_most: int, default: int | None = None, count: int = 1) -> list[int]:
    words = argument.split() or ([str(default)] if default is not None else [])
    if not 1 <= len(words) <= count or not all(word.isascii() and word.isdigit() and len(word) < 9 for word in words):
        raise _malformed(name, f"{argument!r} is not {'a number' if count == 1 else 'one or two numbers'}")
    numbers = [int(word) for word in words]
    if max(numbers) > at_most:
        raise _malformed(name, f"{max(numbers)} is more than {at_most}")
    return numbers


def _number(attribute: str, name: str, *, at_most: int = WORDS_MAX, default: int | None = None) -> "_Reader":
    def read_number(directives: Directives, argument: str) -> None:
        setattr(directives, attribute, _numbers(name, argument, at_most=at_most, default=default)[0])

    return read_number


def _flag(name: str) -> "_Reader":
    def read_flag(directives: Directives, argument: str) -> None:
        if argument:
            raise _malformed(name, "it takes no argument")
        setattr(directives, name, True)

    return read_flag


def _text(name: str) -> "_Reader":
    def read_text(directives: Directives, argument: str) -> None:
        if len(argument) > 1 and argument[0] == argument[-1] == '"':
            argument = argument[1:-1]
        setattr(directives, name, argument)

    return read_text


def _fail(directives: Directives, argument: str) -> None:
    status, *rest = _numbers("fail", argument, at_most=99_999, default=500, count=2)
    if not 400 <= status <= 599:
        raise _malformed("fail", f"{status} is not an HTTP error status (400 to 599)")
    directives.fail = Failure(status, rest[0] if rest else None)


def _tool(directives: Directives, argument: str) -> None:
    name, _, arguments = argument.partition(" ")
    if not name:
        raise _malformed("tool", "it names no tool")
    directives.tools.append(Forced(name, arguments.strip() or None))


_Reader = Callable[[Directives, str], None]

_READERS: Final[dict[str, _Reader]] = {
    "cached": _number("cached", "cached"),
    "cut": _number("cut_after", "cut", default=0),
    "delay": _number("delay_ms", "delay", at_most=PAUSE_MS_MAX),
    "error": _number("error_after", "error", default=0),
    "fail": _fail,
    "filter": _flag("filter"),
    "hang": _number("hang_after", "hang", default=0),
    "length": _flag("length"),
    "long": _number("long", "long"),
    "malformed": _number("malformed_after", "malformed", default=0),
    "refuse": _flag("refuse"),
    "say": _text("say"),
    "search": _text("search"),
    "think": _number("think", "think", default=0),
    "tool": _tool,
    "wait": _number("wait_ms", "wait", at_most=PAUSE_MS_MAX),
}
