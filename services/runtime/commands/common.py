"""What the management commands share: the database these settings name, and how answers are shown."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from services.errors import GatewayError
from services.management.office import Office, Operation
from services.runtime.local_office import opened
from services.runtime.settings import SettingsError

DataDir = Annotated[
    Path | None, typer.Option(envvar="CONCENTRATE_DATA_DIR", help="The gateway's state folder.", show_default="data")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_PIPE_WIDTH = 10_000

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@contextmanager
def office(data_dir: Path | None) -> Iterator[Office]:
    """The management API. Errors end the command, said in one line."""
    try:
        with opened(data_dir) as made:
            yield made
    except SettingsError as error:
        fail(str(error))
    except GatewayError as error:
        fail(error.message)


def fail(message: str) -> NoReturn:
    """Says what is wrong, and ends the command with status 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


def show_json(answer: Any) -> None:
    """Prints one JSON value. Money is exact."""
    sys.stdout.write(_ENCODER.encode(answer).decode() + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table. Nothing is cut: on a narrow terminal cells go on below, and a pipe gets lines as long as they are."""
    table = Table(Column(columns[0], no_wrap=True), *(Column(name, overflow="fold") for name in columns[1:]))
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def when(seconds: int | None) -> str:
    """A time for people; empty when there is none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def all_pages(office: Office, operation: Operation[Any, Any], asked: Any) -> list[Any]:
    """Every row of a list."""
    rows: list[Any] = []
    more = True
    while more:
        page = office.run_here(operation, asked)
        rows += page.data
        more = page.has_more
        asked = msgspec.structs.replace(asked, after=page.last_id)
    return rows
