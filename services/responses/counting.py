"""`POST /v1/responses/input_tokens`: how many tokens a request would show to the model."""

from typing import Literal

import msgspec

from services.ports import Router, TokenCounter
from services.responses.echo import own_paths
from services.responses.keeping import State
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller


class InputTokens(msgspec.Struct):
    """OpenAI's shape. `estimated`: no provider counted them, and the number is the gateway's own reckoning."""

    input_tokens: int
    estimated: bool
    object: Literal["response.input_tokens"] = "response.input_tokens"


class Counting:
    """Asks the provider that would be asked first."""

    def __init__(self, router: Router, counter: TokenCounter) -> None:
        self._router = router
        self._counter = counter

    async def count(self, call: Call, caller: Caller, state: State) -> InputTokens:
        """Tokens of a call. Raises what routing raises, and `InvalidRequest` for what the provider would refuse."""
        with own_paths(state):
            plan = await self._router.plan(call, caller)
            count = await self._counter.count(call, plan.targets[0])
        return InputTokens(count.tokens, count.estimated)
