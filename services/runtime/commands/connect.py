"""`concentrate connect …`: what a client has to be told to use this gateway; with `--write`, tells it."""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer

from services.runtime.recipes import RECIPES, Gateway, NotEditable, Recipe

Client = Literal["claude-code", "cursor", "codex", "opencode", "openai", "anthropic"]

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL: Final = re.compile(r"https?://[^\s'\"$`\\]+")
_MODEL: Final = re.compile(r"[^\s'\"$`\\]+")


def connect(
    client: Annotated[Client, typer.Argument(help="Which client.")],
    url: Annotated[str | None, typer.Option(help="Where the gateway is.", show_default="http://127.0.0.1:PORT")] = None,
    model: Annotated[
        str | None, typer.Option(help="The model to begin with.", show_default="the client's, or auto")
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="The environment variable that holds the API key. The key itself is not wanted here.")
    ] = "CONCENTRATE_API_KEY",
    write: Annotated[
        bool, typer.Option("--write", help="Edit the client's own file, and keep a copy of the old one.")
    ] = False,
) -> None:
    """Connect Claude Code, Cursor, Codex, OpenCode or an SDK: shows exactly what to set, or writes it."""
    address = (url or f"http://127.0.0.1:{os.environ.get('PORT') or 8080}").rstrip("/").removesuffix("/v1")
    for value, shape, name in ((address, _URL, "--url"), (model or "m", _MODEL, "--model")):
        if shape.fullmatch(value) is None:
            _fail(f"{name}: {value!r} cannot be used.")
    if _VARIABLE.fullmatch(key_variable) is None:
        _fail("--key-variable: expected the name of an environment variable, not a key.")  # which is not repeated
    recipe = RECIPES[client](Gateway(address, key_variable, model))
    if not write:
        typer.echo(recipe.shown)
        if recipe.notes:
            typer.echo(f"\n{recipe.notes}", err=True)
        return
    if recipe.edit is None:
        _fail(f"{client} has no file to write. Set this:\n\n{recipe.shown}\n\n{recipe.notes}")
    _write(recipe)
    if not os.environ.get(key_variable):
        typer.echo(f"{key_variable} is not set here: it has to hold the API key where {client} runs.", err=True)
    typer.echo(recipe.notes, err=True)


def _write(recipe: Recipe) -> None:
    assert recipe.edit is not None
    named = os.environ.get(recipe.folder_variable)
    path = (Path(named) if named else Path.home() / recipe.folder).joinpath(recipe.file).resolve()
    try:
        old = path.read_text() if path.exists() else ""
        new = recipe.edit(old)
        if new == old:
            typer.echo(f"{path} says so already.")
            return
        copy = _replaced(path, new)
    except NotEditable as error:
        _fail(f"{path}: {error}. Add this by hand:\n\n{recipe.shown}")
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{path}: {error}")
    typer.echo(f"Wrote {path}." + (f" The old one is {copy.name}." if copy is not None else ""))


def _replaced(path: Path, text: str) -> Path | None:
    """Writes the file as a whole or not at all. The copy of the old one, where there was one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = None
    if path.exists():
        copy = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%d-%H%M%S}.bak")
        shutil.copy2(path, copy)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    if copy is not None:
        shutil.copymode(copy, fresh)
    fresh.replace(path)
    return copy


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
