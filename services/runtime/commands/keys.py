"""`concentrate keys …`: API keys. Works while the gateway runs."""

from typing import Annotated

import typer

from services.management import operations, requests
from services.management.shapes import ApiKey
from services.runtime.commands.common import AsJson, DataDir, all_pages, office, show_json, show_table, when

app = typer.Typer(help="API keys: create, list, change, rotate, revoke.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="What it is for; may be given again.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for; shown in lists.")] = "",
    org: Annotated[str | None, typer.Option(help="Whose it is: an organisation's id.")] = None,
    team: Annotated[str | None, typer.Option(help="A team's id.")] = None,
    user: Annotated[str | None, typer.Option(help="A user's id.")] = None,
    scope: Scopes = None,
    expires_at: Annotated[int | None, typer.Option(help="When it stops, in seconds since 1970.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is shown once and cannot be shown again."""
    asked = requests.CreateKey(
        name=name, org_id=org, team_id=team, user_id=user, scopes=scope or [], expires_at=expires_at
    )
    with office(data_dir) as desk:
        _show_new(desk.run_here(operations.CREATE_KEY, asked), as_json=as_json)


@app.command("list")
def list_(
    org: Annotated[str | None, typer.Option(help="Of one organisation only.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List all keys, masked."""
    with office(data_dir) as desk:
        rows: list[ApiKey] = all_pages(
            desk, operations.LIST_KEYS, requests.ListKeys(org_id=org, revoked=True, limit=100)
        )
    if as_json:
        show_json(rows)
        return
    columns = ("id", "name", "key", "organisation", "scopes", "created", "last used", "status")
    show_table(
        columns,
        [
            (row.id, row.name, row.masked, row.org_id, " ".join(row.scopes), when(row.created_at),
             when(row.last_used_at), _status(row))
            for row in rows
        ],
    )  # fmt: skip


@app.command()
def update(
    key_id: KeyId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    scope: Scopes = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Make it stop, or work again.")] = None,
    expires_at: Annotated[int | None, typer.Option(help="When it stops, in seconds since 1970.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a key."""
    asked = requests.UpdateKey(id=key_id, name=name, scopes=scope or [], disabled=disabled, expires_at=expires_at)
    with office(data_dir) as desk:
        _show(desk.run_here(operations.UPDATE_KEY, asked), as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[int, typer.Option(help="How long the old one goes on working, in seconds.")] = 86400,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that replaces another. It is shown once and cannot be shown again."""
    asked = requests.RotateKey(id=key_id, overlap_seconds=overlap)
    with office(data_dir) as desk:
        _show_new(desk.run_here(operations.ROTATE_KEY, asked), as_json=as_json)


@app.command()
def revoke(key_id: KeyId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make a key stop working, at once and for good."""
    with office(data_dir) as desk:
        _show(desk.run_here(operations.DELETE_KEY, requests.One(id=key_id)), as_json=as_json)


def _show_new(made: ApiKey, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        typer.echo(made.key)
        typer.echo(f"{made.id}. Keep the key now: it is not stored and cannot be shown again.", err=True)


def _show(row: ApiKey, *, as_json: bool) -> None:
    if as_json:
        show_json(row)
    else:
        typer.echo(f"{row.id} ({row.masked}) {_status(row)}")


def _status(row: ApiKey) -> str:
    return f"revoked {when(row.revoked_at)}" if row.revoked_at is not None else row.status
