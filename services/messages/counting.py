"""Counts what a message would send, without sending it."""

from services.messages.objects import TokensCount
from services.ports import Router, TokenCounter
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller


class Counting:
    """Asks the provider that would be asked first."""

    def __init__(self, router: Router, counter: TokenCounter) -> None:
        self._router = router
        self._counter = counter

    async def count(self, call: Call, caller: Caller) -> TokensCount:
        """Tokens of a call. Raises what routing raises, and `InvalidRequest` for what the provider would refuse."""
        plan = await self._router.plan(call, caller)
        count = await self._counter.count(call, plan.targets[0])
        return TokensCount(count.tokens, count.estimated)
