"""Counts a prompt: asks the provider that would serve it, and estimates where that is not to be had."""

import asyncio
from typing import Final

from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest
from services.ports import Count, PromptCounts
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call

PATIENCE_SECONDS: Final = 5.0


class Counter:
    """Implements `ports.TokenCounter`. `patience_s`: how long a provider may take to count."""

    def __init__(self, provider: PromptCounts, *, patience_s: float = PATIENCE_SECONDS) -> None:
        self._provider = provider
        self._patience_s = patience_s

    async def count(self, call: Call, target: Target) -> Count:
        """See `ports.TokenCounter.count`."""
        try:
            async with asyncio.timeout(self._patience_s):
                counted = await self._provider.count(call, target)
        except InvalidRequest:
            raise
        except (GatewayError, TimeoutError):  # out of reach, busy, without such an endpoint: no reason to fail here
            counted = None
        if counted is None:
            return Count(prompt_tokens(call, target.upstream), estimated=True)
        return Count(counted)
