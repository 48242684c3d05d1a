"""All operations, by name. The JSON face, the gRPC services and the command line are made from this table."""

from collections.abc import Mapping
from typing import Any, Final

from services.management import (
    audit,
    budgets,
    byok,
    credit,
    keys,
    money_requests,
    money_shapes,
    organizations,
    requests,
    shapes,
    usage,
)
from services.management.office import Operation

CREATE_KEY = Operation("CreateKey", requests.CreateKey, shapes.ApiKey, keys.create, writes=True)
LIST_KEYS = Operation("ListKeys", requests.ListKeys, shapes.ListKeysResponse, keys.list_, writes=False)
GET_KEY = Operation("GetKey", requests.One, shapes.ApiKey, keys.get, writes=False)
UPDATE_KEY = Operation("UpdateKey", requests.UpdateKey, shapes.ApiKey, keys.update, writes=True)
ROTATE_KEY = Operation("RotateKey", requests.RotateKey, shapes.ApiKey, keys.rotate, writes=True)
DELETE_KEY = Operation("DeleteKey", requests.One, shapes.ApiKey, keys.delete, writes=True)
CREATE_ORGANIZATION = Operation(
    "CreateOrganization",
    requests.CreateOrganization,
    shapes.Organization,
    organizations.create_organization,
    writes=True,
)
LIST_ORGANIZATIONS = Operation(
    "ListOrganizations", requests.Some, shapes.ListOrganizationsResponse, organizations.list_organizations, writes=False
)
GET_ORGANIZATION = Operation(
    "GetOrganization", requests.One, shapes.Organization, organizations.get_organization, writes=False
)
UPDATE_ORGANIZATION = Operation(
    "UpdateOrganization",
    requests.UpdateOrganization,
    shapes.Organization,
    organizations.update_organization,
    writes=True,
)
DELETE_ORGANIZATION = Operation(
    "DeleteOrganization", requests.One, shapes.Deleted, organizations.delete_organization, writes=True
)
CREATE_TEAM = Operation("CreateTeam", requests.CreateTeam, shapes.Team, organizations.create_team, writes=True)
LIST_TEAMS = Operation("ListTeams", requests.Some, shapes.ListTeamsResponse, organizations.list_teams, writes=False)
GET_TEAM = Operation("GetTeam", requests.One, shapes.Team, organizations.get_team, writes=False)
UPDATE_TEAM = Operation("UpdateTeam", requests.UpdateTeam, shapes.Team, organizations.update_team, writes=True)
DELETE_TEAM = Operation("DeleteTeam", requests.One, shapes.Deleted, organizations.delete_team, writes=True)
LIST_TEAM_MEMBERS = Operation(
    "ListTeamMembers",
    requests.ListTeamMembers,
    shapes.ListTeamMembersResponse,
    organizations.list_team_members,
    writes=False,
)
SET_TEAM_MEMBER = Operation(
    "SetTeamMember", requests.SetTeamMember, shapes.TeamMember, organizations.set_team_member, writes=True
)
REMOVE_TEAM_MEMBER = Operation(
    "RemoveTeamMember", requests.RemoveTeamMember, shapes.Deleted, organizations.remove_team_member, writes=True
)
CREATE_USER = Operation("CreateUser", requests.CreateUser, shapes.User, organizations.create_user, writes=True)
LIST_USERS = Operation("ListUsers", requests.Some, shapes.ListUsersResponse, organizations.list_users, writes=False)
GET_USER = Operation("GetUser", requests.One, shapes.User, organizations.get_user, writes=False)
UPDATE_USER = Operation("UpdateUser", requests.UpdateUser, shapes.User, organizations.update_user, writes=True)
DELETE_USER = Operation("DeleteUser", requests.One, shapes.Deleted, organizations.delete_user, writes=True)
CREATE_PROVIDER_CREDENTIAL = Operation(
    "CreateProviderCredential", requests.CreateProviderCredential, shapes.ProviderCredential, byok.create, writes=True
)
LIST_PROVIDER_CREDENTIALS = Operation(
    "ListProviderCredentials", requests.Some, shapes.ListProviderCredentialsResponse, byok.list_, writes=False
)
GET_PROVIDER_CREDENTIAL = Operation(
    "GetProviderCredential", requests.One, shapes.ProviderCredential, byok.get, writes=False
)
UPDATE_PROVIDER_CREDENTIAL = Operation(
    "UpdateProviderCredential", requests.UpdateProviderCredential, shapes.ProviderCredential, byok.update, writes=True
)
DELETE_PROVIDER_CREDENTIAL = Operation(
    "DeleteProviderCredential", requests.One, shapes.Deleted, byok.delete, writes=True
)
LIST_AUDIT_EVENTS = Operation(
    "ListAuditEvents", requests.ListAudit, shapes.ListAuditEventsResponse, audit.list_, writes=False
)
SET_BUDGET = Operation("SetBudget", money_requests.SetBudget, money_shapes.Budget, budgets.set_, writes=True)
LIST_BUDGETS = Operation(
    "ListBudgets", money_requests.ListBudgets, money_shapes.ListBudgetsResponse, budgets.list_, writes=False
)
DELETE_BUDGET = Operation("DeleteBudget", requests.One, shapes.Deleted, budgets.delete, writes=True)
LIST_BUDGET_EVENTS = Operation(
    "ListBudgetEvents",
    money_requests.ListBudgetEvents,
    money_shapes.ListBudgetEventsResponse,
    budgets.events,
    writes=False,
)
GET_CREDITS = Operation("GetCredits", money_requests.GetCredits, money_shapes.Credits, credit.get, writes=False)
UPDATE_CREDITS = Operation(
    "UpdateCredits", money_requests.UpdateCredits, money_shapes.Credits, credit.update, writes=True
)
LIST_TRANSACTIONS = Operation(
    "ListTransactions", requests.Some, money_shapes.ListTransactionsResponse, credit.transactions, writes=False
)
CREATE_TRANSACTION = Operation(
    "CreateTransaction",
    money_requests.CreateTransaction,
    money_shapes.Transaction,
    credit.create_transaction,
    writes=True,
)
LIST_USAGE = Operation("ListUsage", money_requests.ListUsage, money_shapes.ListUsageResponse, usage.list_, writes=False)
GET_GENERATION = Operation("GetGeneration", requests.One, money_shapes.StoredGeneration, usage.generation, writes=False)

ALL: Final[Mapping[str, Operation[Any, Any]]] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Operation)
}
