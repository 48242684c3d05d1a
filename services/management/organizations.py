"""Operations on organisations, teams, users and memberships."""

from typing import TypeVar

import msgspec

from services.errors import Conflict, NotFound
from services.management import requests as asked
from services.management import shapes
from services.management.desk import Desk, check_locks, merged
from services.management.limits import check_limits
from services.tenancy import store
from services.tenancy.authority import Owned, require_operator, require_role
from services.tenancy.rows import Membership, Organization, Team, User
from services.tenancy.settings import NONE, Chain
from services.vocabulary.caller import DEFAULT_ORG

Thing = TypeVar("Thing", Organization, Team, User)


def create_organization(desk: Desk, request: asked.CreateOrganization) -> shapes.Organization:
    """Makes an organisation, and its first owner if one is named. For operators."""
    require_operator(desk.actor)
    check_limits(request.limits, desk.tools.tiers)
    org = Organization(
        id=desk.fresh.id("org"),
        name=request.name,
        personal=request.personal,
        settings=request.settings,
        limits=request.limits,
        created_at=desk.now,
    )
    if store.add(desk.connection, org):
        desk.record("organization.create", org.id, org.id, after=org)
    else:  # a second try
        org = desk.organization(org.id)
    if request.owner_name is not None:
        owner = User(
            id=desk.fresh.id("user"),
            org_id=org.id,
            name=request.owner_name,
            email=request.owner_email,
            role="owner",
            created_at=desk.now,
        )
        if store.add(desk.connection, owner):
            desk.record("user.create", owner.id, org.id, after=owner)
    return _organization(org)


def list_organizations(desk: Desk, request: asked.Some) -> shapes.ListOrganizationsResponse:
    """All organisations, for operators; for others, their own."""
    org_id = request.org_id if desk.actor.is_operator else desk.org_id(request.org_id)
    if org_id is not None:
        desk.require("read", "organization", Owned(org_id))
    rows = store.page(desk.connection, Organization, org_id, after=request.after, limit=request.limit + 1)
    return shapes.page(shapes.ListOrganizationsResponse, [_organization(row) for row in rows], request.limit)


def get_organization(desk: Desk, request: asked.One) -> shapes.Organization:
    """One organisation."""
    desk.require("read", "organization", Owned(request.id))
    return _organization(desk.organization(request.id))


def update_organization(desk: Desk, request: asked.UpdateOrganization) -> shapes.Organization:
    """Changes an organisation: its name with the area `organization`, settings and limits with their own."""
    owned = Owned(request.id)
    desk.require("read", "organization", owned)
    before = desk.organization(request.id)
    if request.name is not None:
        desk.require("write", "organization", owned)
    after = _changed(desk, before, request, owned)
    store.change(desk.connection, after)
    desk.record("organization.update", after.id, after.id, before=before, after=after)
    return _organization(after)


def delete_organization(desk: Desk, request: asked.One) -> shapes.Deleted:
    """Takes an organisation away: its keys stop. For owners and operators."""
    desk.require("write", "organization", Owned(request.id))
    if request.id == DEFAULT_ORG:
        raise Conflict("The default organization cannot be deleted.")
    before = desk.organization(request.id)
    store.delete(desk.connection, Organization, request.id, at=desk.now)
    desk.record("organization.delete", before.id, before.id, before=before)
    return shapes.Deleted(id=before.id, object="organization.deleted")


def create_team(desk: Desk, request: asked.CreateTeam) -> shapes.Team:
    """Makes a team."""
    owned = desk.place(request.org_id, None, None)
    desk.require("write", "teams", owned)
    check_limits(request.limits, desk.tools.tiers)
    team = Team(
        id=desk.fresh.id("team"),
        org_id=owned.org_id,
        name=request.name,
        settings=request.settings,
        limits=request.limits,
        created_at=desk.now,
    )
    check_locks(NONE, team.settings, desk.above(owned))
    if store.add(desk.connection, team):
        desk.record("team.create", team.id, team.org_id, after=team)
    else:  # a second try
        team = desk.team(team.id)
    return _team(team)


def list_teams(desk: Desk, request: asked.Some) -> shapes.ListTeamsResponse:
    """Teams of an organisation."""
    org_id = desk.org_id(request.org_id)
    desk.require("read", "teams", Owned(org_id))
    rows = store.page(desk.connection, Team, org_id, after=request.after, limit=request.limit + 1)
    return shapes.page(shapes.ListTeamsResponse, [_team(row) for row in rows], request.limit)


def get_team(desk: Desk, request: asked.One) -> shapes.Team:
    """One team."""
    team = desk.team(request.id)
    desk.require("read", "teams", Owned(team.org_id, team.id))
    return _team(team)


def update_team(desk: Desk, request: asked.UpdateTeam) -> shapes.Team:
    """Changes a team."""
    before = desk.team(request.id)
    owned = Owned(before.org_id, before.id)
    desk.require("read", "teams", owned)
    if request.name is not None:
        desk.require("write", "teams", owned)
    after = _changed(desk, before, request, owned, desk.above(owned))
    store.change(desk.connection, after)
    desk.record("team.update", after.id, after.org_id, before=before, after=after)
    return _team(after)


def delete_team(desk: Desk, request: asked.One) -> shapes.Deleted:
    """Takes a team away: its keys stop."""
    before = desk.team(request.id)
    desk.require("write", "teams", Owned(before.org_id, before.id))
    store.delete(desk.connection, Team, before.id, at=desk.now)
    desk.record("team.delete", before.id, before.org_id, before=before)
    return shapes.Deleted(id=before.id, object="team.deleted")


def list_team_members(desk: Desk, request: asked.ListTeamMembers) -> shapes.ListTeamMembersResponse:
    """Who is in a team."""
    team = desk.team(request.id)
    desk.require("read", "members", Owned(team.org_id, team.id))
    rows = [_member(each) for each in store.members(desk.connection, team.id)]
    return shapes.part(shapes.ListTeamMembersResponse, rows, request.limit, request.after)


def set_team_member(desk: Desk, request: asked.SetTeamMember) -> shapes.TeamMember:
    """Puts a user of the organisation into a team, or gives them another role there."""
    team = desk.team(request.id)
    owned = Owned(team.org_id, team.id)
    desk.require("write", "members", owned)
    require_role(desk.actor, request.role, owned)
    user = desk.user(request.user_id)
    if user.org_id != team.org_id:
        raise NotFound(f"There is no user `{request.user_id}`.")
    before = next((each for each in store.members(desk.connection, team.id) if each.user_id == user.id), None)
    require_role(desk.actor, before.role if before else None, owned)
    after = Membership(team_id=team.id, user_id=user.id, role=request.role)
    store.set_member(desk.connection, after)
    desk.record("team.member.set", user.id, team.org_id, before=before, after=after)
    return _member(after)


def remove_team_member(desk: Desk, request: asked.RemoveTeamMember) -> shapes.Deleted:
    """Takes a user out of a team."""
    team = desk.team(request.id)
    owned = Owned(team.org_id, team.id)
    desk.require("write", "members", owned)
    before = next((each for each in store.members(desk.connection, team.id) if each.user_id == request.user_id), None)
    if before is None:
        raise NotFound(f"`{request.user_id}` is not in this team.")
    require_role(desk.actor, before.role, owned)
    store.remove_member(desk.connection, team.id, request.user_id)
    desk.record("team.member.remove", request.user_id, team.org_id, before=before)
    return shapes.Deleted(id=request.user_id, object="team.member.deleted")


def create_user(desk: Desk, request: asked.CreateUser) -> shapes.User:
    """Makes a user."""
    owned = desk.place(request.org_id, None, None)
    desk.require("write", "members", owned)
    require_role(desk.actor, request.role, owned)
    check_limits(request.limits, desk.tools.tiers)
    check_locks(NONE, request.settings, desk.above(owned))
    user = User(
        id=desk.fresh.id("user"),
        org_id=owned.org_id,
        name=request.name,
        email=request.email,
        role=request.role,
        settings=request.settings,
        limits=request.limits,
        created_at=desk.now,
    )
    if store.add(desk.connection, user):
        desk.record("user.create", user.id, user.org_id, after=user)
    else:  # a second try
        user = desk.user(user.id)
    return _user(user)


def list_users(desk: Desk, request: asked.Some) -> shapes.ListUsersResponse:
    """Users of an organisation."""
    org_id = desk.org_id(request.org_id)
    desk.require("read", "members", Owned(org_id))
    rows = store.page(desk.connection, User, org_id, after=request.after, limit=request.limit + 1)
    return shapes.page(shapes.ListUsersResponse, [_user(row) for row in rows], request.limit)


def get_user(desk: Desk, request: asked.One) -> shapes.User:
    """One user."""
    user = desk.user(request.id)
    desk.require("read", "members", Owned(user.org_id, user_id=user.id))
    return _user(user)


def update_user(desk: Desk, request: asked.UpdateUser) -> shapes.User:
    """Changes a user. Only owners make and unmake owners, and one is always left."""
    before = desk.user(request.id)
    owned = Owned(before.org_id, user_id=before.id)
    desk.require("read", "members", owned)
    if (request.name, request.email, request.role) != (None, None, None):
        desk.require("write", "members", owned)
    after = _changed(desk, before, request, owned, desk.above(owned))
    if request.role is not None and request.role != before.role:
        require_role(desk.actor, request.role, owned)
        _unmake_owner(desk, before)
    after = msgspec.structs.replace(
        after,
        email=before.email if request.email is None else request.email,
        role=request.role or before.role,
    )
    store.change(desk.connection, after)
    desk.record("user.update", after.id, after.org_id, before=before, after=after)
    return _user(after)


def delete_user(desk: Desk, request: asked.One) -> shapes.Deleted:
    """Takes a user away: their keys stop."""
    before = desk.user(request.id)
    owned = Owned(before.org_id, user_id=before.id)
    desk.require("write", "members", owned)
    _unmake_owner(desk, before)
    store.delete(desk.connection, User, before.id, at=desk.now)
    desk.record("user.delete", before.id, before.org_id, before=before)
    return shapes.Deleted(id=before.id, object="user.deleted")


def _unmake_owner(desk: Desk, user: User) -> None:
    require_role(desk.actor, user.role, Owned(user.org_id))
    if user.role == "owner" and store.owners(desk.connection, user.org_id) == 1:
        raise Conflict("This is the organization's last owner; make another one first.")


def _changed(
    desk: Desk,
    before: Thing,
    request: asked.UpdateOrganization | asked.UpdateTeam | asked.UpdateUser,
    owned: Owned,
    above: Chain = (),
) -> Thing:
    """The thing with its name, settings and limits changed, each by who may. `above`: what its settings are under."""
    settings = merged(before.settings, request.settings, request.clear, "settings")
    if settings != before.settings:
        desk.require("write", "settings", owned)
        check_locks(before.settings, settings, above)
    limits = merged(before.limits, request.limits, request.clear, "limits")
    if limits != before.limits:
        desk.require("write", "limits", owned)
        check_limits(limits, desk.tools.tiers)
    name = before.name if request.name is None else request.name
    return msgspec.structs.replace(before, name=name, settings=settings, limits=limits)


def _organization(row: Organization) -> shapes.Organization:
    return shapes.Organization(**msgspec.structs.asdict(row))


def _team(row: Team) -> shapes.Team:
    return shapes.Team(**msgspec.structs.asdict(row))


def _user(row: User) -> shapes.User:
    return shapes.User(**msgspec.structs.asdict(row))


def _member(row: Membership) -> shapes.TeamMember:
    return shapes.TeamMember(id=row.user_id, team_id=row.team_id, role=row.role)
