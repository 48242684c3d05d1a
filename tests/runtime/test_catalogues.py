"""The catalogue changes while the gateway runs, all at once or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.adapters.credentials import EnvironmentCredentials
from services.catalog.catalog import Catalog
from services.catalog.schema import Auth, Provider
from services.runtime.catalogues import Catalogues
from services.runtime.settings import SettingsError, read

ROWS = "providers: [{id: mine, name: Mine, dialect: openai_chat, base_url: 'http://127.0.0.1:9/v1', auth: {scheme: none}}]\n"
ONE = ROWS + "models: [{id: one, offers: [{provider: mine}]}]\n"
TWO = ROWS + "models: [{id: one, offers: [{provider: mine}]}, {id: two, offers: [{provider: mine}]}]\n"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Catalogues, Path, list[Catalog]]]:
    """Catalogues of a file with one model, and what followers were given."""
    file = folder / "rows.yaml"
    file.write_text(ONE)
    settings = read({"CONCENTRATE_CONFIG": str(file), "CONCENTRATE_DISCOVER_LOCAL": "off"})
    catalogues, given = Catalogues(settings, watch_s=0.02), []
    catalogues.follow(given.append)
    await catalogues.start(discover=False)
    try:
        yield catalogues, file, given
    finally:
        await catalogues.close()


async def until_given(given: list[Catalog], count: int) -> None:
    async with asyncio.timeout(10):
        while len(given) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_changed_file_is_followed(tmp_path: Path):
    """Written in place or moved over the old one; those who follow are given whole catalogues."""
    async with running(tmp_path) as (catalogues, file, given):
        before = catalogues.current
        file.write_text(TWO)
        await until_given(given, 1)
        assert ("two" in before.models, "two" in catalogues.current.models) == (False, True)
        (tmp_path / "new.yaml").write_text(ONE)
        (tmp_path / "new.yaml").rename(file)
        await until_given(given, 2)
        assert catalogues.current is given[-1]
        assert "two" not in given[-1].models


async def test_a_mistake_changes_nothing(tmp_path: Path):
    """It is logged, the old catalogue stays, and the corrected file is followed."""
    async with running(tmp_path) as (catalogues, file, given):
        before = catalogues.current
        file.write_text("models: [{id: one, offers: [{provider: nobody}]}]")
        assert not await catalogues.reload()
        file.unlink()
        assert not await catalogues.reload()
        assert catalogues.current is before
        file.write_text(TWO)
        await until_given(given, 1)
        assert "two" in catalogues.current.models


async def test_an_unusable_file_stops_the_start(tmp_path: Path):
    """As before: only a running gateway has something to keep."""
    (tmp_path / "rows.yaml").write_text("models: 1")
    with pytest.raises(SettingsError):
        Catalogues(read({"CONCENTRATE_CONFIG": str(tmp_path / "rows.yaml")}))


def test_credentials_follow_the_catalogue():
    """A new provider has one, a changed row another, and the same row keeps its token."""
    one, two = (Provider(id, id, "openai_chat", f"https://{id}", Auth(secret=["KEY"])) for id in ("one", "two"))
    credentials = EnvironmentCredentials({"one": one}, {"KEY": "secret", "OTHER": "different"})
    kept = credentials.for_provider("one")
    credentials.show({"one": one, "two": two})
    assert credentials.for_provider("one") is kept
    assert credentials.for_provider("two")
    changed = Provider("one", "one", "openai_chat", "https://one", Auth(secret=["OTHER"]))
    credentials.show({"one": changed})
    assert credentials.for_provider("one") is not kept
