"""`concentrate keys …`: create, list and revoke API keys of a data folder. Works while the gateway runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from services.keys.keyring import FolderUnusable, SqliteKeyRing
from services.keys.store import KeyRow

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)

DataDir = Annotated[Path, typer.Option(envvar="CONCENTRATE_DATA_DIR", help="The gateway's state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_DATA = Path("data")


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for; shown in lists.")] = "",
    data_dir: DataDir = _DATA,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is shown once and cannot be shown again."""
    with _opened(data_dir) as keys:
        key, row = keys.create(name)
    if as_json:
        typer.echo(msgspec.json.encode({"key": key, **_public(row)}).decode())
    else:
        typer.echo(key)
        typer.echo(f"{row.id}. Keep the key now: it is not stored and cannot be shown again.", err=True)


@app.command("list")
def list_(data_dir: DataDir = _DATA, as_json: AsJson = False) -> None:
    """List all keys, masked."""
    with _opened(data_dir) as keys:
        rows = keys.rows()
    if as_json:
        typer.echo(msgspec.json.encode([_public(row) for row in rows]).decode())
        return
    table = Table(Column("id", no_wrap=True), "name", "key", "created", "status")  # `revoke` wants the whole id
    for row in rows:
        table.add_row(row.id, row.name, row.masked, _when(row.created_at), _status(row))
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    data_dir: DataDir = _DATA,
    as_json: AsJson = False,
) -> None:
    """Make a key stop working, at once and for good."""
    with _opened(data_dir) as keys:
        row = keys.revoke(key_id)
    if row is None:
        typer.echo(f"No key has the id {key_id}. `concentrate keys list` shows them.", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(msgspec.json.encode(_public(row)).decode())
    else:
        typer.echo(f"{row.id} ({row.masked}) {_status(row)}")


@contextmanager
def _opened(folder: Path) -> Iterator[SqliteKeyRing]:
    try:
        keys = SqliteKeyRing(folder)
    except FolderUnusable as error:
        typer.echo(f"error: {error}.", err=True)
        raise typer.Exit(1) from None
    try:
        yield keys
    finally:
        keys.close()


def _public(row: KeyRow) -> dict[str, str | int | None]:
    return {
        "id": row.id,
        "name": row.name,
        "masked": row.masked,
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }


def _status(row: KeyRow) -> str:
    return "active" if row.revoked_at is None else f"revoked {_when(row.revoked_at)}"


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
