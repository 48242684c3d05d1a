"""`concentrate orgs …`: organisations, teams and users, and what was changed about them. Works while the gateway runs."""

from typing import Annotated

import typer

from services.management import operations, requests
from services.runtime.commands.common import AsJson, DataDir, all_pages, office, show_json, show_table, when
from services.tenancy.authority import Role

app = typer.Typer(help="Organisations, teams, users, and the audit log.", no_args_is_help=True)

OrgId = Annotated[str, typer.Argument(help="The organisation's id, as `orgs list` shows it.")]
Org = Annotated[str | None, typer.Option(help="An organisation's id. Default: the first one.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name.")],
    owner: Annotated[str | None, typer.Option(help="Name of its first owner.")] = None,
    email: Annotated[str, typer.Option(help="That owner's e-mail address.")] = "",
    personal: Annotated[bool, typer.Option(help="It is somebody's own account.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create an organisation. It has no credit yet: `concentrate credits top-up`."""
    asked = requests.CreateOrganization(name=name, personal=personal, owner_name=owner, owner_email=email)
    with office(data_dir) as desk:
        made = desk.run_here(operations.CREATE_ORGANIZATION, asked)
    show_json(made) if as_json else typer.echo(made.id)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all organisations."""
    with office(data_dir) as desk:
        rows = all_pages(desk, operations.LIST_ORGANIZATIONS, requests.Some(limit=100))
    if as_json:
        show_json(rows)
    else:
        show_table(
            ("id", "name", "personal", "created"),
            [(row.id, row.name, "yes" if row.personal else "", when(row.created_at)) for row in rows],
        )


@app.command()
def delete(org_id: OrgId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Take an organisation away: its keys stop."""
    with office(data_dir) as desk:
        gone = desk.run_here(operations.DELETE_ORGANIZATION, requests.One(id=org_id))
    show_json(gone) if as_json else typer.echo(f"{gone.id} deleted")


@app.command()
def teams(org: Org = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the teams of an organisation."""
    with office(data_dir) as desk:
        rows = all_pages(desk, operations.LIST_TEAMS, requests.Some(limit=100, org_id=org))
    if as_json:
        show_json(rows)
    else:
        show_table(("id", "name", "created"), [(row.id, row.name, when(row.created_at)) for row in rows])


@app.command("add-team")
def add_team(
    name: Annotated[str, typer.Argument(help="Its name.")],
    org: Org = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a team."""
    with office(data_dir) as desk:
        made = desk.run_here(operations.CREATE_TEAM, requests.CreateTeam(org_id=org, name=name))
    show_json(made) if as_json else typer.echo(made.id)


@app.command()
def users(org: Org = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the users of an organisation."""
    with office(data_dir) as desk:
        rows = all_pages(desk, operations.LIST_USERS, requests.Some(limit=100, org_id=org))
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "name", "e-mail", "role", "created")
        show_table(columns, [(row.id, row.name, row.email, row.role, when(row.created_at)) for row in rows])


@app.command("add-user")
def add_user(
    name: Annotated[str, typer.Argument(help="Their name.")],
    email: Annotated[str, typer.Option(help="Their e-mail address.")] = "",
    role: Annotated[Role, typer.Option(help="Their role in the whole organisation.")] = "member",
    org: Org = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a user."""
    asked = requests.CreateUser(org_id=org, name=name, email=email, role=role)
    with office(data_dir) as desk:
        made = desk.run_here(operations.CREATE_USER, asked)
    show_json(made) if as_json else typer.echo(made.id)


@app.command()
def audit(
    org: Annotated[str | None, typer.Option(help="Of one organisation only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the latest first.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what was changed, and by whom."""
    with office(data_dir) as desk:
        rows = desk.run_here(operations.LIST_AUDIT_EVENTS, requests.ListAudit(org_id=org, limit=limit)).data
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "when", "who", "what", "of", "organisation")
        show_table(
            columns,
            [(row.id, when(row.created_at), row.actor, row.action, row.entity_id, row.org_id) for row in rows],
        )
