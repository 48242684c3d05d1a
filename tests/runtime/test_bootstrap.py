"""Rows that cannot be used stop the start, and the error names the place."""

from pathlib import Path

import pytest

from services.runtime.bootstrap import build
from services.runtime.settings import SettingsError, read


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("suppliers: []", "rows.yaml: unknown key `suppliers`; providers, models, prices, local are known"),
        ("providers: [{id: openai}, {id: openai}]", "rows.yaml: `openai` is there twice in `providers`"),
        ("providers: [{id: openai, colour: red}]", "rows.yaml: provider openai: Object contains unknown field `colour`"),
        ("providers: [{id: openai, dialect: telepathy}]", "rows.yaml: provider openai: unknown dialect `telepathy`"),
        ("providers: [{id: openai, quirks: {shape: round}}]", "provider openai: no format knows the quirk `shape`"),
        ("providers: [{id: openai, quirks: {files: maybe}}]", "provider 'openai', quirks of the chat format: Invalid"),
        ("providers: [{id: openai, base_url: 'gpu:8000'}]", "provider openai: base_url (OPENAI_BASE_URL) must look like"),
        ("providers: [{id: openai, base_url: 'http://127.0.0.1:8080/v1'}]", "the address of this gateway"),
        ("models: [{id: m, offers: [{provider: nobody}]}]", "model m: unknown provider `nobody` in an offer"),
        ("models: [{id: m, offers: [{provider: openai, dialect: morse}]}]", "rows.yaml: model m: unknown dialect `morse`"),
        ("models: [{id: m, offers: [], facts: {context: big}}]", "rows.yaml: model m: Expected `int | null`, got `str`"),
        ("prices: [{provider: openai, model: m, rates: {in: 1}}]", "rows.yaml: price of m: Object contains unknown field"),
        ("local: [{id: vllm, port: 0}]", "rows.yaml: local server vllm: Expected `int` >= 1 - at `$.port`"),
        ("local: [{id: vllm, quirks: {shape: round}}]", "no format knows the quirk `shape`"),
    ],
)  # fmt: skip
async def test_a_row_that_cannot_be_used_stops_the_start(tmp_path: Path, rows: str, message: str):
    """Each mistake is found before the first request, by file and row as far as they are known."""
    (tmp_path / "rows.yaml").write_text(rows)
    settings = read({"CONCENTRATE_CONFIG": str(tmp_path / "rows.yaml"), "OPENAI_API_KEY": "key"})
    with pytest.raises(SettingsError) as error:
        async with build(settings, "routing"):
            pass
    assert message in str(error.value)


async def test_a_row_of_ours_may_be_asked_in_another_format(tmp_path: Path):
    """Its quirks for its usual format do no harm."""
    (tmp_path / "rows.yaml").write_text("providers: [{id: openai, dialect: openai_chat}]")
    async with build(read({"CONCENTRATE_CONFIG": str(tmp_path / "rows.yaml"), "OPENAI_API_KEY": "key"}), "adapters"):
        pass
