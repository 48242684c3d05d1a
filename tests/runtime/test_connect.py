"""`concentrate connect`: exact settings for each client, never a key, and files edited with a copy kept."""

import json
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.runtime.cli import app
from services.runtime.recipes import RECIPES, Gateway, NotEditable, codex

KEY = "sk-cn-v1-secret0000000000000000000000000000000000"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONCENTRATE_API_KEY", KEY)
    return tmp_path


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["connect", *arguments])
    assert result.exit_code == status, result.output
    assert KEY not in result.output
    return result.output


@pytest.mark.parametrize("client", list(RECIPES))
def test_a_client_is_told_where_and_by_which_variable(client: str, monkeypatch: pytest.MonkeyPatch):
    """Not which key, although it is at hand; the port is that of the gateway started in the same shell."""
    monkeypatch.setenv("PORT", "9000")
    shown = run(client)
    assert "http://127.0.0.1:9000" in shown
    assert "CONCENTRATE_API_KEY" in shown
    assert "MY_KEY" in run(client, "--key-variable", "MY_KEY", "--url", "https://llm.example.com/v1/")


def test_openai_clients_get_v1_and_anthropic_clients_do_not():
    """As their SDKs read it."""
    assert "OPENAI_BASE_URL=https://x.example/v1\n" in run("openai", "--url", "https://x.example/v1")
    assert "ANTHROPIC_BASE_URL=https://x.example\n" in run("anthropic", "--url", "https://x.example/v1")


def test_codex_keeps_what_is_in_its_file(home: Path):
    """Comments, other tables and other providers; the old file is kept, and writing again changes nothing."""
    path = home / ".codex/config.toml"
    path.parent.mkdir()
    old = (
        '# mine\nmodel = "gpt-5"  # usual\napproval_policy = "never"\n\n[model_providers.concentrate]\nbase_url = "old"\n'
        '\n[model_providers.other]\nname = "Other"\n\n[profiles.x]\nmodel = "y"\n'
    )
    path.write_text(old)
    path.chmod(0o600)
    assert "Wrote" in run("codex", "--model", "anthropic/claude-opus-4-8", "--write")
    written = tomllib.loads(path.read_text())
    assert written["model"] == "anthropic/claude-opus-4-8"
    assert written["model_providers"]["concentrate"]["base_url"] == "http://127.0.0.1:8080/v1"
    assert written["model_providers"]["other"] == {"name": "Other"}
    assert written["profiles"] == {"x": {"model": "y"}}
    assert "# mine" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (copy,) = path.parent.glob("*.bak")
    assert copy.read_text() == old
    assert "already" in run("codex", "--model", "anthropic/claude-opus-4-8", "--write")
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("client", "file"), [("claude-code", ".claude/settings.json"), ("opencode", ".config/opencode/opencode.json")]
)
def test_json_settings_are_merged(home: Path, client: str, file: str):
    """Into what is there, or into a new file."""
    run(client, "--write")
    path = home / file
    assert "127.0.0.1:8080" in path.read_text()
    path.write_text(json.dumps({"theme": "dark", "env": {"A": "1"}, "provider": {"mine": {"name": "m"}}}))
    run(client, "--write", "--url", "https://x.example")
    merged = json.loads(path.read_text())
    assert (merged["theme"], merged["env"]["A"], merged["provider"]["mine"]) == ("dark", "1", {"name": "m"})
    assert "x.example" in path.read_text()


def test_the_clients_own_variable_says_where_its_file_is(home: Path, monkeypatch: pytest.MonkeyPatch):
    """As the client would look for it."""
    monkeypatch.setenv("CODEX_HOME", str(home / "elsewhere"))
    run("codex", "--write")
    assert (home / "elsewhere/config.toml").exists()


@pytest.mark.parametrize(
    ("client", "file", "text"),
    [
        ("claude-code", ".claude/settings.json", "{ // with a comment\n}"),
        ("claude-code", ".claude/settings.json", "[]"),
        ("codex", ".codex/config.toml", "model = "),
        ("codex", ".codex/config.toml", 'model_providers = {concentrate = {name = "x"}}\n'),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left_alone(home: Path, client: str, file: str, text: str):
    """The command says why, and what to add by hand."""
    path = home / file
    path.parent.mkdir()
    path.write_text(text)
    said = run(client, "--write", status=1)
    assert "by hand" in said
    assert "127.0.0.1:8080" in said
    assert [each.read_text() for each in path.parent.iterdir()] == [text]


@pytest.mark.parametrize(
    "arguments",
    [
        ("cursor", "--write"),
        ("openai", "--write"),
        ("codex", "--url", "ftp://x"),
        ("codex", "--url", "http://x/$(id)"),
        ("codex", "--model", "a b"),
        ("openai", "--key-variable", KEY),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...]):
    """A key given in place of a variable's name is not repeated."""
    assert "error" in run(*arguments, status=1)


def test_the_text_shown_for_codex_is_what_is_written():
    """Into an empty file."""
    recipe = codex(Gateway("http://g", "K"))
    assert recipe.edit is not None
    assert tomllib.loads(recipe.edit("")) == tomllib.loads(recipe.shown)
    with pytest.raises(NotEditable):
        recipe.edit("[")
