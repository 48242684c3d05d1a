"""The public answer to "where would this request go?"."""

from typing import Literal

import msgspec

from services.errors import InvalidRequest
from services.generation.generator import Generator
from services.ports import Band, Candidate, Excluded
from services.responses.echo import own_path
from services.responses.service import SURFACE
from services.responses.state.asking import Asked
from services.vocabulary.caller import Caller
from services.vocabulary.event import Loss


class PredictedUsage(msgspec.Struct):
    """Predicted tokens."""

    input_tokens: int
    output_tokens: int


class ExplainResponse(msgspec.Struct, kw_only=True):
    """The plan of a request. model: as asked for. sort, interval_seconds: the metric of the order, and its window.

    candidates: in the order in which they would be asked. excluded: the others, each with its reason.
    """

    object: Literal["routing.explanation"] = "routing.explanation"
    model: str
    reason: str
    sort: str
    interval_seconds: int
    candidates: list[Candidate]
    excluded: list[Excluded]
    translation_losses: list[Loss]
    predicted_usage: PredictedUsage
    band: Band | None = None


async def explain(asked: Asked, caller: Caller, generator: Generator) -> ExplainResponse:
    """What would be done with the call now. Raises what the request itself would raise before a provider is asked."""
    call = asked.call
    try:
        plan = await generator.foresee(call, caller, surface=SURFACE)
    except InvalidRequest as error:
        if error.param is not None:
            error.param = own_path(error.param, asked.state)
        raise
    why = plan.explanation
    assert why is not None, "a plan is explained when it is foreseen"
    return ExplainResponse(
        model=call.model,
        reason=plan.reason,
        sort=why.sort,
        interval_seconds=why.interval_s,
        candidates=why.candidates,
        excluded=plan.excluded,
        translation_losses=[*asked.state.losses, *plan.losses],
        predicted_usage=PredictedUsage(why.input_tokens, why.output_tokens),
        band=why.band,
    )
