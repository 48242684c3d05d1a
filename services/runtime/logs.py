"""Log lines: JSON or console on stderr, with a redaction list, so that no secret can reach them."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal, TextIO

import structlog

REDACTED: Final = "[redacted]"

SECRET_NAMES: Final = re.compile(
    r"(?i)^(.*[_-])?(authorization|api[_-]?key|key|token|secret|password|credentials?|cookie|pepper)$"
)
"""Fields whose value never belongs in a log, whatever it is. (`key_id` and `token_count` do not match.)"""

SECRET_VARIABLES: Final = re.compile(r"(?i)key|token|secret|passw|pwd|credential|pepper|auth")
"""Environment variables whose values are taken out of any text: rather one too many."""

SECRET_SHAPES: Final = re.compile(
    r"(?i)\bsk-[\w-]{8,}|\bbearer\s+[\w.~+/=-]{8,}|\bAIza[\w-]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
)
"""Text that is a credential wherever it stands: ours, OpenAI's, Anthropic's, Google's, Amazon's."""

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Redaction:
    """A structlog processor. `secrets`: exact values (provider credentials of this process) to take out of any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        longest_first = sorted({each for each in secrets if len(each) >= 8}, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The line without secrets: by name of the field, by shape of the text, by known value."""
        return {name: REDACTED if SECRET_NAMES.match(name) else self._clean(value) for name, value in line.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            value = SECRET_SHAPES.sub(REDACTED, value)
            return self._values.sub(REDACTED, value) if self._values else value
        if isinstance(value, dict):
            return self(None, "", value)
        if isinstance(value, list | tuple):
            return [self._clean(each) for each in value]
        return value if isinstance(value, int | float | None) else self._clean(str(value))


def configure(
    level: str, format: Literal["auto", "json", "console"], environment: Iterable[tuple[str, str]] = ()
) -> None:
    """Sets logging up for this process. `environment`: variables; the values of those named like secrets are redacted."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    redaction = Redaction(value.strip() for name, value in environment if SECRET_VARIABLES.search(name))
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*chain, redaction, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=partial(_Named, sys.stderr),
        cache_logger_on_first_use=True,
    )
    foreign = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*chain], processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta, redaction, render,
    ])  # fmt: skip
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(foreign)
    handler.addFilter(lambda record: record.name != "psycopg")  # it warns of what it raises as well
    logging.basicConfig(handlers=[handler], level=max(_LEVELS[level], logging.WARNING), force=True)


class _Named(structlog.PrintLogger):
    """A logger that knows its name, as `add_logger_name` wants it."""

    def __init__(self, file: TextIO, name: str = "concentrate") -> None:
        super().__init__(file)
        self.name = name

    def msg(self, message: str) -> None:
        """Writes a line. Where none can be written (a full disk) none is: whatever was to be logged must go on."""
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg
