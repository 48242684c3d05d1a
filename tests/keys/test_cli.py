"""`keys create | list | update | rotate | revoke`."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from services.errors import InvalidKey
from services.runtime.commands.keys import app
from tests.keys.kit import Clock, opened

RUNNER = CliRunner()


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(app, arguments, env={"CONCENTRATE_DATA_DIR": str(folder), "COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


async def test_a_key_lives_and_dies_by_the_cli(tmp_path: Path):
    """A created key works, is listed masked, and stops when it is revoked."""
    key = run(tmp_path, "create", "--name", "laptop").strip()
    async with opened(tmp_path, Clock()) as keys:
        key_id = (await keys.ring.verify(f"Bearer {key}", None)).key_id

        listed = run(tmp_path, "list")
        assert key not in listed
        for shown in (key_id, "laptop", f"sk-cn-v1...{key[-4:]}", "active"):
            assert shown in listed

        assert "disabled" in run(tmp_path, "update", key_id, "--disable")
        assert "active" in run(tmp_path, "update", key_id, "--enable", "--name", "desktop")
        successor = run(tmp_path, "rotate", key_id, "--overlap", "0").strip()
        assert "expired" in run(tmp_path, "list")
        assert (await keys.ring.verify(f"Bearer {successor}", None)).name == "desktop"

        assert "revoked" in run(tmp_path, "revoke", key_id)
        assert "revoked" in run(tmp_path, "list")
        await keys.ring.refresh()
        with pytest.raises(InvalidKey):
            await keys.ring.verify(f"Bearer {key}", None)


def test_json_for_programs(tmp_path: Path):
    """With --json each command prints one JSON value."""
    made = msgspec.json.decode(run(tmp_path, "create", "--json"))
    assert made["key"].startswith("sk-cn-v1-")
    assert msgspec.json.decode(run(tmp_path, "list", "--json")) == [
        {field: value for field, value in made.items() if field != "key"}
    ]
    assert msgspec.json.decode(run(tmp_path, "revoke", made["id"], "--json"))["revoked_at"] is not None


def test_an_unknown_id_is_an_error(tmp_path: Path):
    """Revoking what is not there says so and exits with 1."""
    assert "There is no key `key_1`" in run(tmp_path, "revoke", "key_1", code=1)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path):
    """In one line, by every command."""
    (tmp_path / "concentrate.db").write_bytes(b"no database" * 100)
    for command in (["create"], ["list"], ["revoke", "key_1"]):
        said = run(tmp_path, *command, code=1)
        assert said.startswith(f"error: CONCENTRATE_DATA_DIR: the database cannot be kept in {tmp_path}: ")
        assert said.count("\n") == 1
