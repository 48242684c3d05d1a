"""The command line: `concentrate serve`, `concentrate service …`, `concentrate keys …`, `concentrate catalog …`."""

import asyncio
import os
import sys
from typing import Annotated, Literal

import typer

from services.models.cli import app as catalog
from services.runtime.commands.connect import connect
from services.runtime.commands.keys import app as keys
from services.runtime.commands.manage import manage
from services.runtime.commands.money import credits_app, limits_app, usage
from services.runtime.commands.orgs import app as orgs

app = typer.Typer(help="One door to every language model.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(keys, name="keys")
app.add_typer(orgs, name="orgs")
app.add_typer(credits_app, name="credits")
app.add_typer(limits_app, name="limits")
app.command()(usage)
app.command()(manage)
app.add_typer(catalog, name="catalog")
app.command()(connect)


@app.callback()
def concentrate() -> None:
    """One door to every language model. Settings are environment variables: docs/settings.md."""


@app.command()
def serve() -> None:
    """Serve until Ctrl-C or SIGTERM. Prints `ready http://…` when a request would succeed."""
    from services.runtime import logs, settings, supervisor  # noqa: PLC0415 - other commands start faster without

    try:
        configuration = settings.read(os.environ)
        logs.configure(configuration.log_level, configuration.log_format, os.environ.items())
        with asyncio.Runner() as runner:
            runner.run(supervisor.Supervisor(configuration).serve())
    except (settings.SettingsError, supervisor.StartFailed) as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(1) from None


@app.command()
def migrate() -> None:
    """Bring the database (DATABASE_URL, CONCENTRATE_DATA_DIR) to the revision of this release. `serve` does it too."""
    from services.runtime import settings, storage  # noqa: PLC0415 - as above

    try:
        before, after = storage.migrate(settings.read(os.environ))
    except settings.SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(1) from None
    typer.echo(f"The database is at revision {after}." if before == after else f"Migrated from {before} to {after}.")


@app.command()
def service(
    name: Annotated[Literal["routing", "adapters", "billing"], typer.Argument(help="Which one.")],
    address: Annotated[str, typer.Option(help="HOST:PORT or unix:PATH. It asks for no key: keep it private.")],
) -> None:
    """Serve one service apart, for gateways whose ROUTING_ADDRESS, ADAPTERS_ADDRESS or BILLING_ADDRESS names it."""
    from services.runtime import worker  # noqa: PLC0415 - as above

    worker.run(address, name)


def main() -> None:
    """The entry point of the `concentrate` command."""
    app()


if __name__ == "__main__":
    main()
