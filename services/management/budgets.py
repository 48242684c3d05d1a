"""Operations on budgets: limits of spending in a period, for an organisation, a team, a user or a key."""

from collections.abc import Sequence
from typing import Final

from services.billing.ledger import budgets
from services.billing.ledger.budgets import THRESHOLDS, BudgetState
from services.billing.periods import PERIODS, Period
from services.errors import NotFound
from services.keys import store as keys
from services.management import money_requests as asked
from services.management import money_shapes as shapes
from services.management.amounts import nano, usd
from services.management.desk import Desk
from services.management.requests import One
from services.management.shapes import Deleted, page, part
from services.tenancy import store
from services.tenancy.authority import Owned, may
from services.tenancy.rows import Team, User

_KINDS: Final = ("org", "team", "user", "key")
_EVERYTHING: Final = 10_000


def set_(desk: Desk, request: asked.SetBudget) -> shapes.Budget:
    """Sets the budget of a thing for a period, which has one each. What the period has used already counts."""
    owned = _owner(desk, request.scope_id)
    desk.require("write", "limits", owned)
    scope = scope_of(request.scope_id)
    before = _found(desk, request.scope_id, request.period)
    state = budgets.put(
        desk.connection,
        scope,
        request.period,
        nano(request.limit, "limit"),
        now_ms=desk.now_ms,
        thresholds=request.thresholds or THRESHOLDS,
    )
    after = public(state)
    desk.record("budget.set", after.id, owned.org_id, before=_told(before), after=_told(after))
    return after


def list_(desk: Desk, request: asked.ListBudgets) -> shapes.ListBudgetsResponse:
    """Budgets of one thing, or of an organisation and all that is in it."""
    states = budgets.of(desk.connection, _scopes(desk, request), desk.now_ms)
    return part(shapes.ListBudgetsResponse, [public(state) for state in states], request.limit, request.after)


def delete(desk: Desk, request: One) -> Deleted:
    """Takes a budget away."""
    scope_id, _, period = request.id.rpartition(".")
    owned = _owner(desk, scope_id)
    desk.require("write", "limits", owned)
    before = next((_found(desk, scope_id, each) for each in PERIODS if each == period), None)
    if before is None:
        raise NotFound(f"There is no budget `{request.id[:60]}`.")
    budgets.delete(desk.connection, scope_of(scope_id), before.period)
    desk.record("budget.delete", before.id, owned.org_id, before=_told(before))
    return Deleted(id=before.id, object="budget.deleted")


def events(desk: Desk, request: asked.ListBudgetEvents) -> shapes.ListBudgetEventsResponse:
    """Which budgets have reached a threshold, the latest first."""
    found = budgets.events(desk.connection, _scopes(desk, request), limit=request.limit + 1, after=request.after)
    rows = [
        shapes.BudgetEvent(
            id=event.id,
            created_at=event.created_ms // 1000,
            scope_id=event.scope.partition(":")[2],
            period=event.period,
            percent=event.percent,
            used=usd(event.spent),
            limit=usd(event.limit),
        )
        for event in found
    ]
    return page(shapes.ListBudgetEventsResponse, rows, request.limit)


def scope_of(id: str) -> str:
    """The ledger's name of a thing: `key:key_…`."""
    return f"{id.partition('_')[0]}:{id}"


def public(state: BudgetState) -> shapes.Budget:
    """A budget as it is shown."""
    scope_id = state.scope.partition(":")[2]
    return shapes.Budget(
        id=f"{scope_id}.{state.period}",
        scope_id=scope_id,
        period=state.period,
        limit=usd(state.limit),
        used=usd(state.spent),
        held=usd(state.held),
        next_refresh=None if state.refreshes_ms is None else state.refreshes_ms // 1000,
        thresholds=state.thresholds,
    )


def _scopes(desk: Desk, request: asked.ListBudgets) -> Sequence[str]:
    if request.scope_id is not None:
        desk.require("read", "limits", _owner(desk, request.scope_id))
        return [scope_of(request.scope_id)]
    org_id = desk.org_id(request.org_id)
    desk.require("read", "limits", Owned(org_id, desk.actor.team_id, desk.actor.user_id))
    teams = store.page(desk.connection, Team, org_id, after=None, limit=_EVERYTHING)
    users = store.page(desk.connection, User, org_id, after=None, limit=_EVERYTHING)
    rows = keys.page(desk.connection, org_id, limit=_EVERYTHING)
    all_ = [
        (org_id, Owned(org_id)),
        *((team.id, Owned(org_id, team.id)) for team in teams),
        *((user.id, Owned(org_id, user_id=user.id)) for user in users),
        *((row.id, Owned(org_id, row.team_id, row.user_id)) for row in rows),
    ]
    return [scope_of(id) for id, owned in all_ if may(desk.actor, "read", "limits", owned)]


def _owner(desk: Desk, id: str) -> Owned:
    """Whose a thing is, by its id. Raises `NotFound`."""
    kind = id.partition("_")[0]
    if kind == "org":
        return Owned(desk.organization(id).id)
    if kind == "team":
        return Owned(desk.team(id).org_id, id)
    if kind == "user":
        return Owned(desk.user(id).org_id, user_id=id)
    row = keys.find(desk.connection, id) if kind == "key" else None
    if row is None:
        raise NotFound(f"There is nothing with the id `{id[:60]}`.")
    return Owned(row.org_id, row.team_id, row.user_id)


def _found(desk: Desk, scope_id: str, period: Period) -> shapes.Budget | None:
    states = budgets.of(desk.connection, [scope_of(scope_id)], desk.now_ms)
    return next((public(state) for state in states if state.period == period), None)


def _told(budget: shapes.Budget | None) -> dict[str, object] | None:
    """What was changed of a budget."""
    return None if budget is None else {"limit": str(budget.limit), "thresholds": budget.thresholds}
