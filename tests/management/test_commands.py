"""`concentrate orgs | credits | limits | usage | keys`: what the API does, on the machine itself, without a gateway."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from services.runtime.cli import app

RUNNER = CliRunner()


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(*arguments: str, code: int = 0) -> str:
        result = RUNNER.invoke(app, arguments, env={"CONCENTRATE_DATA_DIR": str(tmp_path), "COLUMNS": "220"})
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


def told(text: str) -> Any:
    return msgspec.json.decode(text)


def test_an_organisation_from_the_command_line(run: Any):
    """Its people, its credit, its keys with their limits, and who changed what."""
    org = run("orgs", "create", "Acme", "--owner", "Olga").strip()
    team = run("orgs", "add-team", "Research", "--org", org).strip()
    user = run("orgs", "add-user", "Max", "--role", "billing", "--org", org).strip()
    assert "Acme" in run("orgs", "list")
    assert team in run("orgs", "teams", "--org", org)
    assert {row["role"] for row in told(run("orgs", "users", "--org", org, "--json"))} == {"owner", "billing"}
    key = told(run("keys", "create", "--org", org, "--user", user, "--name", "ci", "--json"))

    for _ in range(2):
        run("credits", "top-up", "12.5", "--org", org, "--idempotency-key", "first")
    run("credits", "adjust", "--amount", "-0.000000001", "--description", "rounding", "--org", org)
    assert "$12.499999999" in run("credits", "show", "--org", org)
    assert [row["type"] for row in told(run("credits", "transactions", "--org", org, "--json"))] == [
        "adjustment", "top_up",
    ]  # fmt: skip
    assert "not limited" in run("credits", "limit", "--off", "--org", org)

    assert f"{key['id']}.day" in run("limits", "budget", key["id"], "3", "--period", "day", "--threshold", "50")
    run("limits", "rate", key["id"], "--requests", "60", "--concurrent", "2")
    shown = told(run("limits", "show", key["id"], "--json"))
    assert shown["limits"] == {"requests_per_minute": 60, "concurrent_requests": 2}
    assert [(row["limit"], row["thresholds"]) for row in shown["budgets"]] == [(3, [50])]
    assert told(run("limits", "rate", key["id"], "--clear", "--requests", "5", "--json"))["limits"] == {
        "requests_per_minute": 5
    }
    run("limits", "remove-budget", f"{key['id']}.day")
    assert told(run("limits", "show", key["id"], "--json"))["budgets"] == []

    assert told(run("usage", "--by", "day,key", "--org", org, "--json")) == []
    assert "cost" in run("usage", "--org", org)
    actions = {row["action"] for row in told(run("orgs", "audit", "--org", org, "--limit", "100", "--json"))}
    assert actions >= {"organization.create", "user.create", "key.create", "credits.transaction", "budget.set"}
    assert key["key"] not in run("orgs", "audit", "--limit", "100")
    run("orgs", "delete", org)
    assert org not in run("orgs", "list")


def test_any_operation_from_the_command_line(run: Any):
    """By its name, with the JSON of the API, null included; what no command of its own does."""
    assert {"UpdateTeam", "CreateProviderCredential", "GetGeneration"} <= set(run("manage").split())
    team = run("orgs", "add-team", "Research").strip()
    changed = told(run("manage", "UpdateTeam", f'{{"id": "{team}", "settings": {{"zdr": true, "locked": ["zdr"]}}}}'))
    assert changed["settings"] == {"zdr": True, "locked": ["zdr"]}
    changed = told(run("manage", "UpdateTeam", f'{{"id": "{team}", "settings": {{"zdr": null, "locked": null}}}}'))
    assert changed["settings"] == {}
    assert told(run("manage", "DeleteTeam", f'{{"id": "{team}"}}'))["deleted"]


def test_what_is_wrong_is_said_in_a_line(run: Any):
    """With status 1, by every command."""
    for arguments, said in (
        (("credits", "top-up", "much"), "`much` is no amount of dollars"),
        (("credits", "show", "--org", "org_0"), "There is no organization `org_0`"),
        (("credits", "refund", "resp_0"), "Nothing was charged for resp_0"),
        (("limits", "budget", "shoe_1", "5"), "There is nothing with the id `shoe_1`"),
        (("limits", "rate", "shoe_1"), "`shoe_1` is no id"),
        (("usage", "--by", "shoe"), "`group_by` is a list of"),
        (("orgs", "delete", "org_default"), "cannot be deleted"),
        (("manage", "EatTeam"), "There is no operation `EatTeam`"),
        (("manage", "GetTeam", '{"shoe": 1}'), "`shoe` is not known here"),
    ):
        assert said in run(*arguments, code=1)
