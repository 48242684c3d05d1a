"""`concentrate catalog …`: check the rows, and make rows out of other projects' lists."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from services.catalog.catalog import Catalog

app = typer.Typer(help="The catalogue: check its rows, import others.", no_args_is_help=True)

Config = Annotated[
    Path | None, typer.Option(envvar="CONCENTRATE_CONFIG", help="The operator's rows, on top of the shipped ones.")
]


@app.command()
def check(config: Config = None) -> None:
    """Check every row: names unique, dates valid, each offer with a price or a word on why not. Exit status 1 if not."""
    from services.models.check import problems  # noqa: PLC0415 - other commands start faster without

    catalog = _load(config)
    found = problems(catalog)
    for problem in found:
        typer.echo(problem, err=True)
    if found:
        raise typer.Exit(1)
    offers = sum(len(model.offers) for model in catalog.models.values())
    typer.echo(f"{len(catalog.models)} models, {offers} offers, {len(catalog.providers)} providers: all in order")


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="models.dev's api.json, or LiteLLM's model_prices_and_context_window.json.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write there instead of to stdout.")] = None,
    provider: Annotated[list[str] | None, typer.Option(help="Only this provider; may be given again.")] = None,
    config: Config = None,
) -> None:
    """Write the rows that the catalogue lacks, in the form of the file CONCENTRATE_CONFIG names."""
    import yaml  # noqa: PLC0415 - as above

    from services.catalog import importing  # noqa: PLC0415
    from services.catalog.reading import CatalogError  # noqa: PLC0415

    catalog = _load(config)
    try:
        document = json.loads(file.read_bytes())
        made = importing.rows(document, catalog, source=file.name, only=provider or ())
    except (OSError, ValueError) as error:
        _fail(f"{file}: {error}")
    except CatalogError as error:
        _fail(str(error))
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=120) if made else "{}\n"
    _prove(text)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
    typer.echo(", ".join(f"{len(rows)} {kind}" for kind, rows in made.items()) or "nothing new", err=True)


def _load(config: Path | None) -> "Catalog":
    from services.catalog.catalog import load  # noqa: PLC0415
    from services.catalog.reading import CatalogError  # noqa: PLC0415

    try:
        return load(config)
    except CatalogError as error:
        _fail(str(error))


def _prove(text: str) -> None:
    """What is written can be read, on top of the shipped rows."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        _load(Path(file.name))


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
