"""What a call needs of a model, and roughly how big it is. What costs a walk through the items is done only if asked for."""

from functools import cached_property
from typing import Final, Literal

from services.routing.limits import Demand
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call, Message, WebSearchTool
from services.vocabulary.usage import Usage

OUTPUT_TOKENS: Final = 500  # what an answer has when nobody says

Feature = Literal["sampling", "reasoning", "web_search"]


class Needs:
    """Of one call. `given_up`: features that the plan does without; `demand` knows what must not be given up."""

    def __init__(self, call: Call, given_up: frozenset[Feature] = frozenset()) -> None:
        self.call = call
        self.demand = Demand(call)
        thinks = call.reasoning is not None and call.reasoning.effort not in (None, "none")
        self.reasoning = thinks and "reasoning" not in given_up
        self.sampling = (call.temperature is not None or call.top_p is not None) and "sampling" not in given_up
        searches = any(isinstance(tool, WebSearchTool) for tool in call.tools)
        self.web_search = searches and "web_search" not in given_up

    def has(self, feature: Feature) -> bool:
        """Whether the call uses the feature."""
        match feature:
            case "sampling":
                return self.sampling
            case "reasoning":
                return self.reasoning
            case "web_search":
                return self.web_search

    @cached_property
    def tools(self) -> bool:
        """Whether the client's own tools are offered."""
        return any(not isinstance(tool, WebSearchTool) for tool in self.call.tools)

    @cached_property
    def turns(self) -> int:
        """How often the user has spoken."""
        return sum(isinstance(item, Message) and item.role == "user" for item in self.call.items)

    @cached_property
    def usage(self) -> Usage:
        """Predicted tokens."""
        limit = self.call.max_output_tokens or OUTPUT_TOKENS
        return Usage(input=self.input_tokens, output=min(limit, OUTPUT_TOKENS * (4 if self.reasoning else 1)))

    @cached_property
    def input_tokens(self) -> int:
        """Predicted prompt tokens; limits of models use a bound that nothing legitimate crosses."""
        return prompt_tokens(self.call)
