"""`concentrate catalog check` and `concentrate catalog import`, on small lists made up here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.models.check import problems
from services.runtime.cli import app

MODELS_DEV = {
    "openai": {
        "id": "openai",
        "name": "OpenAI",
        "npm": "@ai-sdk/openai",
        "env": ["OPENAI_API_KEY"],
        "models": {
            "gpt-5.4": {"id": "gpt-5.4", "name": "GPT-5.4", "limit": {"context": 1, "output": 1}},
            "gpt-9": {
                "id": "gpt-9",
                "name": "GPT-9",
                "reasoning": True,
                "tool_call": True,
                "release_date": "2026-11",
                "modalities": {"input": ["text", "image"], "output": ["text"]},
                "cost": {"input": 1.25, "output": 10, "cache_read": 0.125},
                "limit": {"context": 400000, "output": 128000},
            },
            "gpt-paint": {"id": "gpt-paint", "modalities": {"output": ["image"]}, "limit": {"context": 1, "output": 1}},
        },
    },
    "corner": {
        "id": "corner",
        "name": "Corner AI",
        "npm": "@ai-sdk/openai-compatible",
        "api": "https://corner.example/v1",
        "env": ["CORNER_KEY"],
        "doc": "https://corner.example/docs",
        "models": {
            "lab/Llama-3.3-70B": {
                "id": "lab/Llama-3.3-70B",
                "name": "Llama 3.3 70B",
                "reasoning": False,
                "cost": {"input": 0.1, "output": 0.2},
                "limit": {"context": 8192, "output": 99999},
            }
        },
    },
    "strange": {"id": "strange", "npm": "own-format", "models": {"x": {"id": "x", "limit": {"context": 1}}}},
}
LITELLM = {
    "sample_spec": {"litellm_provider": "one of those", "mode": "chat"},
    "xai/grok-9": {
        "litellm_provider": "xai",
        "mode": "chat",
        "max_input_tokens": 256000,
        "max_output_tokens": 8192,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "supports_function_calling": True,
        "deprecation_date": "2027-05-01",
    },
    "vertex_ai/claude-opus-9": {
        "litellm_provider": "vertex_ai-anthropic_models",
        "mode": "chat",
        "max_input_tokens": 5,
    },
    "some-embedding": {"litellm_provider": "openai", "mode": "embedding"},
    "far-away": {"litellm_provider": "far_away", "mode": "chat"},
}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["catalog", *arguments], env={"CONCENTRATE_CONFIG": ""})


def imported(folder: Path, document: Any, *arguments: str) -> Path:
    """The file that the command wrote."""
    (folder / "list.json").write_text(json.dumps(document))
    result = run("import", str(folder / "list.json"), "--output", str(folder / "rows.yaml"), *arguments)
    assert result.exit_code == 0, result.output
    return folder / "rows.yaml"


def test_the_shipped_rows_are_in_order():
    """Every offer priced, or said why not; the command says how many there are."""
    result = run("check")
    assert (result.exit_code, "all in order" in result.output) == (0, True), result.output


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("models: [{id: m, offers: [{provider: openai}]}]", "model m at openai: has no price"),
        ("models: [{id: gpt-5.4, offers: [{provider: openai, unpriced: no}]}]", "`unpriced` too"),
        ("models: [{id: m, aliases: [gpt-5.4], offers: []}]", "`gpt-5.4` is a name of model"),
        ("models: [{id: m, created: soon, offers: []}]", "created: `soon` is not a date"),
        ("models: [{id: m, offers: [{provider: openai, deprecated_at: 2026-13-01}]}]", "deprecated_at of openai"),
        ("models: [{id: m, offers: []}]", "model m: has no offers"),
        ("models: [{id: o1, facts: {context: 5, max_output: 6}}]", "more than its window holds"),
        ("models: [{id: o1, tier: 6}]", "tier"),
    ],
)
def test_check_names_what_is_wrong(tmp_path: Path, rows: str, said: str):
    """With exit status 1 and the row's name."""
    (tmp_path / "rows.yaml").write_text(rows.replace("unpriced: no", "unpriced: 'no'"))
    result = run("check", "--config", str(tmp_path / "rows.yaml"))
    assert (result.exit_code, said in result.output) == (1, True), result.output


def test_models_dev_becomes_rows(tmp_path: Path):
    """Models that are new, offers of models that are known, providers that speak chat completions; nothing else."""
    file = imported(tmp_path, MODELS_DEV)
    made = yaml.safe_load(file.read_text())
    assert [row["id"] for row in made["providers"]] == ["corner"]
    assert [row["id"] for row in made["models"]] == ["gpt-9", "llama-3.3-70b"]
    catalog = load(file)
    (new,) = catalog.resolve("gpt-9")
    assert (new.id, new.facts.context, new.facts.images, new.facts.pdfs) == ("openai/gpt-9", 400_000, True, False)
    assert catalog.models["gpt-9"].created == "2026-11-01"
    corner = catalog.resolve("corner/llama-3.3-70b")[0]
    assert (corner.upstream, corner.facts.context, corner.facts.efforts) == ("lab/Llama-3.3-70B", 8192, [])
    assert [target.provider.id for target in catalog.resolve("llama-3.3-70b")][0::5] == ["bedrock", "corner"]
    assert Pricing(catalog.prices).card(new, _now()).base["output"] == 10 * 10**9
    assert problems(catalog) == []


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 11, 23, tzinfo=UTC)


def test_litellm_becomes_rows(tmp_path: Path):
    """Chat models of providers we know, with prices per token made prices per million."""
    file = imported(tmp_path, LITELLM)
    catalog = load(file)
    grok = catalog.resolve("xai/grok-9")[0]
    assert (grok.upstream, grok.facts.tools, grok.facts.max_output) == ("grok-9", True, 8192)
    assert catalog.models["grok-9"].offers[0].deprecated_at == "2027-05-01"
    assert yaml.safe_load(file.read_text())["prices"][0]["rates"] == {"input": 3.0, "output": 15.0}
    assert catalog.resolve("vertex/claude-opus-9")[0].dialect == "anthropic_vertex"
    assert "far-away" not in catalog.models


def test_one_provider_can_be_chosen_and_a_second_import_finds_nothing_new(tmp_path: Path):
    """`--provider` takes aliases; what the operator's file has is not written again."""
    file = imported(tmp_path, LITELLM, "--provider", "x-ai")
    assert [row["id"] for row in yaml.safe_load(file.read_text())["models"]] == ["grok-9"]
    (tmp_path / "list.json").write_text(json.dumps(LITELLM))
    again = run("import", str(tmp_path / "list.json"), "--provider", "xai", "--config", str(file))
    assert (again.exit_code, again.stdout) == (0, "{}\n")


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": {}}', "\x00"])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str):
    """By name, without a trace."""
    (tmp_path / "list.json").write_text(text)
    result = run("import", str(tmp_path / "list.json"))
    assert (result.exit_code, "list.json" in result.output) == (1, True), result.output
