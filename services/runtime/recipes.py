"""How each client is told about this gateway: what to set or paste, and how its own file is edited. Pure.

No recipe holds a key: each names the environment variable that does.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAME: Final = "concentrate"
ANY_MODEL: Final = "auto"


class NotEditable(Exception):
    """The file is not of a form that can be edited without a loss. The message says why."""


@dataclass(frozen=True)
class Gateway:
    """url: without a slash at the end and without `/v1`. key: the variable with the API key. model: None leaves it open."""

    url: str
    key: str
    model: str | None = None


@dataclass(frozen=True)
class Recipe:
    """One client's. shown: what to set or paste. file: its file, below its own folder. edit: the old text to the new.

    Without a file there is nothing to write; `notes` then say where the client keeps its settings. The folder is that which
    the variable `folder_variable` names, else `folder` in the home.
    """

    shown: str
    notes: str = ""
    file: str = ""
    folder: str = ""
    folder_variable: str = ""
    edit: Callable[[str], str] | None = None


def claude_code(gateway: Gateway) -> Recipe:
    """https://code.claude.com/docs/en/llm-gateway and …/settings."""
    lines = [
        f"export ANTHROPIC_BASE_URL={gateway.url}",
        f'export ANTHROPIC_AUTH_TOKEN="${gateway.key}"',
        'export ANTHROPIC_API_KEY=""',
    ]
    settings: dict[str, Any] = {
        "env": {"ANTHROPIC_BASE_URL": gateway.url},
        "apiKeyHelper": f"printenv {gateway.key}",
    }
    if gateway.model is not None:
        lines += [f"export {name}={gateway.model}" for name in _CLAUDE_MODELS]
        settings["env"] |= dict.fromkeys(_CLAUDE_MODELS, gateway.model)
    return Recipe(
        "\n".join(lines),
        "Log out of Claude Code first (/logout); /status shows the base URL, and /model takes any model of the gateway.",
        "settings.json",
        ".claude",
        "CLAUDE_CONFIG_DIR",
        lambda text: _merged_json(text, settings),
    )


_CLAUDE_MODELS: Final = ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL")


def codex(gateway: Gateway) -> Recipe:
    """https://developers.openai.com/codex/config-reference: the provider may not be set in a project's own file."""
    root = {"model": gateway.model or ANY_MODEL, "model_provider": NAME}
    provider: dict[str, str | bool] = {
        "name": NAME,
        "base_url": f"{gateway.url}/v1",
        "env_key": gateway.key,
        "wire_api": "responses",
        "supports_websockets": True,
    }
    top = _toml_lines(root)
    table = "\n".join([f"[model_providers.{NAME}]", *_toml_lines(provider)])
    return Recipe(
        "\n".join([*top, "", table]),
        "Codex reads the file when it starts. A model that it does not know gets its usual tools, and works.",
        "config.toml",
        ".codex",
        "CODEX_HOME",
        lambda text: _merged_toml(text, root, provider, table),
    )


def opencode(gateway: Gateway) -> Recipe:
    """https://opencode.ai/docs/providers#custom-provider."""
    model = gateway.model or ANY_MODEL
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            NAME: {
                "npm": "@ai-sdk/openai-compatible",
                "name": NAME,
                "options": {"baseURL": f"{gateway.url}/v1", "apiKey": f"{{env:{gateway.key}}}"},
                "models": {model: {"name": model}},
            }
        },
        "model": f"{NAME}/{model}",
    }
    return Recipe(
        json.dumps(settings, indent=2),
        "More models: add their names to `models`.",
        "opencode/opencode.json",
        ".config",
        "XDG_CONFIG_HOME",
        lambda text: _merged_json(text, settings),
    )


def cursor(gateway: Gateway) -> Recipe:
    """Cursor keeps its settings in a database of its own."""
    return Recipe(
        "\n".join(
            [
                "Cursor Settings > Models > API Keys",
                f"  OpenAI API Key             the value of ${gateway.key}",
                f"  Override OpenAI Base URL   {gateway.url}/v1",
                f"  Add model                  {gateway.model or 'provider/model, as GET /v1/models lists it'}",
            ]
        ),
        "Cursor asks from its own servers: the gateway needs a public address, or a tunnel to one.",
    )


def openai(gateway: Gateway) -> Recipe:
    """The OpenAI SDKs, and what is built on them."""
    return Recipe(
        f'export OPENAI_BASE_URL={gateway.url}/v1\nexport OPENAI_API_KEY="${gateway.key}"',
        "Not in the shell that starts the gateway: it reads the same names for the provider.",
    )


def anthropic(gateway: Gateway) -> Recipe:
    """The Anthropic SDKs, and what is built on them."""
    return Recipe(
        f'export ANTHROPIC_BASE_URL={gateway.url}\nexport ANTHROPIC_API_KEY="${gateway.key}"',
        "Not in the shell that starts the gateway: it reads the same names for the provider.",
    )


RECIPES: Final[Mapping[str, Callable[[Gateway], Recipe]]] = {
    "claude-code": claude_code,
    "cursor": cursor,
    "codex": codex,
    "opencode": opencode,
    "openai": openai,
    "anthropic": anthropic,
}

# ---- editing ---------------------------------------------------------------------------------------------------------


def _merged_json(text: str, settings: Mapping[str, Any]) -> str:
    """The file with these settings, the others as they were."""
    try:
        given = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise NotEditable(f"it is not plain JSON ({error})") from None
    if not isinstance(given, dict):
        raise NotEditable("it is not a JSON object")
    return json.dumps(_deep(given, settings), indent=2, ensure_ascii=False) + "\n"


def _deep(given: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(given)
    for name, value in more.items():
        inner = merged.get(name)
        merged[name] = _deep(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def _toml_lines(values: Mapping[str, str | bool]) -> list[str]:
    """Text and booleans are written in TOML as in JSON."""
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]


def _merged_toml(text: str, root: Mapping[str, str], provider: Mapping[str, Any], table: str) -> str:
    """The file with our keys on top and our table at the end; all other lines, comments included, as they were."""
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotEditable(f"it is not TOML ({error})") from None
    kept: list[str] = []
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        if section == f"[model_providers.{NAME}]" or (
            not section and stripped.partition("=")[0].strip().strip('"') in root
        ):
            continue
        kept.append(line)
    body = "\n".join(kept).strip("\n")
    made = "\n".join([*_toml_lines(root), *([body] if body else []), "", table]) + "\n"
    wanted = {
        **before,
        **root,
        "model_providers": {**before.get("model_providers", {}), NAME: dict(provider)},
    }
    try:
        if tomllib.loads(made) == wanted:
            return made
    except tomllib.TOMLDecodeError:
        pass
    raise NotEditable("its tables are written in a way that is not edited here")
