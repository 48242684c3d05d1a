"""`concentrate manage …`: any operation of the management API, by the name it has there. Works while the gateway runs."""

import sys
from typing import Annotated

import typer

from services.management import operations
from services.management.reading import of_http
from services.runtime.commands.common import DataDir, fail, office, show_json


def manage(
    operation: Annotated[
        str | None, typer.Argument(help="Its name, such as `UpdateTeam`. Without one, all names.")
    ] = None,
    body: Annotated[str, typer.Argument(help="What it is asked, as JSON; `-` reads it from the input.")] = "{}",
    idempotency_key: Annotated[str | None, typer.Option(help="Makes the attempt safe to repeat.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Do anything the management API does, with its JSON: members of the path and the query are members like all others."""
    if operation is None:
        typer.echo("\n".join(operations.ALL))
        return
    found = operations.ALL.get(operation)
    if found is None:
        fail(f"There is no operation `{operation}`. `concentrate manage` shows all.")
    text = sys.stdin.read() if body == "-" else body
    with office(data_dir) as desk:
        asked = of_http(found.asked, {}, "", text.encode())
        show_json(desk.run_here(found, asked, idempotency_key=idempotency_key))
