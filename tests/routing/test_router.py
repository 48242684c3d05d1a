"""The plan of a call."""

import pytest

from services.catalog.catalog import Catalog, load
from services.errors import ModelNotFound
from services.routing.affinity import Affinity
from services.routing.router import CatalogRouter
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from tests.routing.kit import Health, Prices

CALLER = Caller("key_1")
CATALOG = load().configured({"OPENAI_API_KEY": "k"})


def router_of(catalog: Catalog, *, unlisted: bool = False) -> CatalogRouter:
    return CatalogRouter(catalog, Prices(), Health(), Affinity(), unlisted=unlisted)


def call(model: str) -> Call:
    return Call(model=model, items=[])


async def test_the_plan_names_the_targets_of_the_model():
    """A listed model is planned with its offers."""
    plan = await router_of(CATALOG).plan(call("sandbox/echo"), CALLER)
    assert [target.id for target in plan.targets] == ["sandbox/echo"]


async def test_unlisted_models_need_the_setting():
    """`provider/<any id>` is a 404 unless the operator allows it."""
    with pytest.raises(ModelNotFound):
        await router_of(CATALOG).plan(call("openai/brand-new"), CALLER)
    plan = await router_of(CATALOG, unlisted=True).plan(call("openai/brand-new"), CALLER)
    assert [target.id for target in plan.targets] == ["openai/brand-new"]


async def test_a_new_catalogue_is_one_assignment():
    """Swapping the catalogue changes what the next call sees."""
    router = router_of(load().configured({}))
    with pytest.raises(ModelNotFound):
        await router.plan(call("openai/x"), CALLER)
    router.catalog = load().configured({"OPENAI_API_KEY": "k"})
    with pytest.raises(ModelNotFound, match="not offered here"):
        await router.plan(call("openai/x"), CALLER)
