"""`concentrate credits | limits | usage …`: money, budgets, rate limits and use. Works while the gateway runs."""

import secrets
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec
import typer

from services.billing.periods import Period
from services.errors import InvalidRequest
from services.management import money_requests as asked
from services.management import operations, requests
from services.management.office import Office
from services.runtime.commands.common import AsJson, DataDir, all_pages, office, show_json, show_table, when
from services.vocabulary.limits import Limits

credits_app = typer.Typer(help="Credit: balance, statement, top-up, adjustment, refund.", no_args_is_help=True)
limits_app = typer.Typer(help="Budgets and rate limits of organisations, teams, users and keys.", no_args_is_help=True)

Org = Annotated[str | None, typer.Option(help="An organisation's id. Default: the first one.")]
Amount = Annotated[str, typer.Argument(help="US dollars, as 12.5.")]
Attempt = Annotated[
    str | None, typer.Option("--idempotency-key", help="Names this attempt: the same one moves money once.")
]
ThingId = Annotated[str, typer.Argument(help="The id of an organisation, a team, a user or a key.")]

_UPDATES = {
    "org": (operations.GET_ORGANIZATION, operations.UPDATE_ORGANIZATION, requests.UpdateOrganization),
    "team": (operations.GET_TEAM, operations.UPDATE_TEAM, requests.UpdateTeam),
    "user": (operations.GET_USER, operations.UPDATE_USER, requests.UpdateUser),
    "key": (operations.GET_KEY, operations.UPDATE_KEY, requests.UpdateKey),
}


@credits_app.command("show")
def show_credits(org: Org = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what an organisation has."""
    with office(data_dir) as desk:
        credits_ = desk.run_here(operations.GET_CREDITS, asked.GetCredits(org_id=org))
    if as_json:
        show_json(credits_)
        return
    row = (credits_.org_id, _usd(credits_.balance), _usd(credits_.held), _usd(credits_.available))
    show_table(
        ("organisation", "balance", "held", "available", "limited"), [(*row, "yes" if credits_.limited else "no")]
    )


@credits_app.command()
def transactions(
    org: Org = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the latest first.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show where credit came from and went."""
    with office(data_dir) as desk:
        rows = desk.run_here(operations.LIST_TRANSACTIONS, requests.Some(org_id=org, limit=limit)).data
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "when", "type", "description", "amount")
        show_table(columns, [(r.id, when(r.created_at), r.type, r.description, _usd(r.amount)) for r in rows])


@credits_app.command("top-up")
def top_up(
    amount: Amount, org: Org = None, key: Attempt = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Add credit."""
    with office(data_dir) as desk:
        _move(desk, asked.CreateTransaction(type="top_up", amount=_amount(amount), org_id=org), key, as_json=as_json)


@credits_app.command()
def adjust(
    amount: Annotated[str, typer.Option(help="US dollars; negative to take away.")],
    description: Annotated[str, typer.Option(help="Why, for the statement.")],
    org: Org = None,
    key: Attempt = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Correct a balance."""
    with office(data_dir) as desk:
        asked_for = asked.CreateTransaction(
            type="adjustment", amount=_amount(amount), org_id=org, description=description
        )
        _move(desk, asked_for, key, as_json=as_json)


@credits_app.command()
def refund(
    response_id: Annotated[str, typer.Argument(help="The response that is refunded.")],
    amount: Annotated[str | None, typer.Option(help="US dollars. Default: all that is left.")] = None,
    key: Attempt = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give back what a response cost."""
    with office(data_dir) as desk:
        given = None if amount is None else _amount(amount)
        asked_for = asked.CreateTransaction(type="refund", amount=given, response_id=response_id)
        _move(desk, asked_for, key, as_json=as_json)


@credits_app.command()
def limit(
    on: Annotated[bool, typer.Option("--on/--off", help="Whether it can spend only what it has.")],
    org: Org = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an organisation can spend only what it has."""
    with office(data_dir) as desk:
        changed = desk.run_here(operations.UPDATE_CREDITS, asked.UpdateCredits(org_id=org, limited=on))
    show_json(changed) if as_json else typer.echo(
        f"{changed.org_id}: {'limited' if changed.limited else 'not limited'}"
    )


@limits_app.command("show")
def show_limits(id: ThingId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show budgets and rate limits of one thing."""
    with office(data_dir) as desk:
        budgets = desk.run_here(operations.LIST_BUDGETS, asked.ListBudgets(scope_id=id)).data
        rates = desk.run_here(_operations(id)[0], requests.One(id=id)).limits
    if as_json:
        show_json({"budgets": budgets, "limits": rates})
        return
    columns = ("budget", "limit", "used", "held", "next refresh")
    show_table(
        columns, [(row.id, _usd(row.limit), _usd(row.used), _usd(row.held), when(row.next_refresh)) for row in budgets]
    )
    told = [(name, value) for name, value in msgspec.to_builtins(rates).items()]
    show_table(("rate limit", "value"), told)


@limits_app.command()
def budget(
    id: ThingId,
    amount: Amount,
    period: Annotated[Period, typer.Option(help="After which it begins anew.")] = "month",
    threshold: Annotated[list[int] | None, typer.Option(help="Per cent at which an event is recorded.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Limit what an organisation, a team, a user or a key spends in a period."""
    with office(data_dir) as desk:
        asked_for = asked.SetBudget(scope_id=id, period=period, limit=_amount(amount), thresholds=threshold or [])
        made = desk.run_here(operations.SET_BUDGET, asked_for)
    show_json(made) if as_json else typer.echo(f"{made.id}: {_usd(made.limit)}, used {_usd(made.used)}")


@limits_app.command("remove-budget")
def remove_budget(
    budget_id: Annotated[str, typer.Argument(help="The budget's id, as `limits show` shows it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a budget away."""
    with office(data_dir) as desk:
        gone = desk.run_here(operations.DELETE_BUDGET, requests.One(id=budget_id))
    show_json(gone) if as_json else typer.echo(f"{gone.id} deleted")


@limits_app.command()
def rate(
    id: ThingId,
    requests_: Annotated[int | None, typer.Option("--requests", min=0, help="A minute.")] = None,
    input_tokens: Annotated[int | None, typer.Option(min=0, help="A minute.")] = None,
    output_tokens: Annotated[int | None, typer.Option(min=0, help="A minute.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=0, help="At the same time.")] = None,
    tier: Annotated[str | None, typer.Option(help="A tier of the operator's file.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the present ones away first.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Limit how fast an organisation, a team, a user or a key may ask."""
    limits = Limits(
        requests_per_minute=requests_,
        input_tokens_per_minute=input_tokens,
        output_tokens_per_minute=output_tokens,
        concurrent_requests=concurrent,
        tier=tier,
    )
    with office(data_dir) as desk:
        _, update, kind = _operations(id)
        if clear:
            desk.run_here(update, kind(id=id, clear=["limits"]))
        changed = desk.run_here(update, kind(id=id, limits=limits))
    show_json(changed) if as_json else typer.echo(f"{changed.id}: {msgspec.json.encode(changed.limits).decode()}")


def usage(
    by: Annotated[str, typer.Option(help="What to tell apart: day, model, provider, key, user, team.")] = "day",
    org: Org = None,
    from_day: Annotated[str | None, typer.Option(help="First day, as 2026-11-01 (UTC).")] = None,
    to_day: Annotated[str | None, typer.Option(help="Last day, included.")] = None,
    key: Annotated[str | None, typer.Option(help="Of this key only.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what was used."""
    wanted = asked.ListUsage(
        org_id=org, group_by=by, from_day=from_day, to_day=to_day, key_id=key, model=model, limit=100
    )
    with office(data_dir) as desk:
        rows = all_pages(desk, operations.LIST_USAGE, wanted)
    if as_json:
        show_json(rows)
        return
    named = {"key": "key_id", "user": "user_id", "team": "team_id"}
    groups = [each.strip() for each in by.split(",") if each.strip()]
    shown = [named.get(group, group) for group in groups]
    shown += ["requests", "input_tokens", "cached_tokens", "output_tokens"]
    columns = (*groups, "requests", "input", "cached", "output", "cost")
    show_table(columns, [(*(getattr(row, name) for name in shown), _usd(row.cost)) for row in rows])


def _move(desk: Office, wanted: asked.CreateTransaction, key: str | None, *, as_json: bool) -> None:
    made = desk.run_here(operations.CREATE_TRANSACTION, wanted, idempotency_key=key or secrets.token_hex(8))
    show_json(made) if as_json else typer.echo(f"{made.id}: {_usd(made.amount)}")


def _operations(id: str) -> Any:
    found = _UPDATES.get(id.partition("_")[0])
    if found is None:
        raise InvalidRequest(f"`{id}` is no id of an organisation, a team, a user or a key.")
    return found


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidRequest(f"`{text}` is no amount of dollars.") from None


def _usd(amount: Decimal) -> str:
    text = f"{abs(amount):f}"
    return f"{'-' if amount < 0 else ''}${text}"
