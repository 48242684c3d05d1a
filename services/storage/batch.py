"""Several pieces of work in one transaction: each kind together, and what fails undone by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from services.storage.statements import Statements
from services.storage.transient import is_transient

Work = TypeVar("Work")
Result = TypeVar("Result")

Handler = Callable[[sa.Connection, Sequence[Work]], Sequence[Result | Exception]]
"""Does several pieces of work of one kind at once: an answer or an error for each, in order."""

DrivenHandler = Callable[[Statements, Sequence[Work]], Sequence[Result | Exception]]
"""The same, by statements given to the driver itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """handler or driven: does work of this kind; without either the work is itself a function of a connection."""

    handler: Handler[Any, Any] | None = None
    driven: DrivenHandler[Any, Any] | None = None
    durable: Callable[[Any], bool] = lambda _: True


def drive(statements: Statements, work: Sequence[tuple[Kind, Any]]) -> list[Any]:
    """An answer or an error for each, of driven kinds only. Raises what any of it fails with: nothing of it is then done."""
    answers: list[Any] = [None] * len(work)
    for kind, indices in _kinds(work).items():
        assert kind.driven is not None, "only driven kinds"
        done = kind.driven(statements, [work[index][1] for index in indices])
        for index, answer in zip(indices, done, strict=True):
            answers[index] = answer
    return answers


def apply(connection: sa.Connection, statements: Statements, work: Sequence[tuple[Kind, Any]]) -> list[Any]:
    """An answer or an error for each. Raises what the database itself failed with."""
    answers: list[Any] = [None] * len(work)
    for kind, indices in _kinds(work).items():
        done = _together(connection, statements, kind, [work[index][1] for index in indices])
        for index, answer in zip(indices, done, strict=True):
            answers[index] = answer
    return answers


def _kinds(work: Sequence[tuple[Kind, Any]]) -> dict[Kind, list[int]]:
    kinds: dict[Kind, list[int]] = {}
    for index, (kind, _) in enumerate(work):
        kinds.setdefault(kind, []).append(index)
    return kinds


def _together(connection: sa.Connection, statements: Statements, kind: Kind, work: list[Any]) -> Sequence[Any]:
    """All of a kind in one savepoint; if that fails, each in its own."""
    if kind.driven is not None:
        handler: Callable[[list[Any]], Sequence[Any]] = partial(kind.driven, statements)
    elif kind.handler is not None:
        handler = partial(kind.handler, connection)
    else:
        return [_attempt(connection, partial(each, connection)) for each in work]
    done = _attempt(connection, partial(handler, work))
    if not isinstance(done, Exception):
        together: Sequence[Any] = done
        return together
    if len(work) == 1:
        return [done]
    alone = [_attempt(connection, partial(handler, [each])) for each in work]
    return [each if isinstance(each, Exception) else each[0] for each in alone]


def _attempt(connection: sa.Connection, work: Callable[[], Any]) -> Any:
    try:
        with connection.begin_nested():
            return work()
    except Exception as error:
        if is_transient(error):
            raise
        return error
