"""What every part of a request needs while it is written: for whom, in which way, and what could not be carried."""

from dataclasses import dataclass, field
from typing import Literal

from services.adapters.dialects.openai_chat.quirks import Quirks
from services.catalog.schema import Target
from services.vocabulary.event import Loss

Wire = dict[str, object]  # a JSON object as it will be encoded


@dataclass(slots=True)
class Writing:
    """One request."""

    target: Target
    quirks: Quirks
    losses: list[Loss] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The provider's name, for people."""
        return self.target.provider.name

    def lose(self, param: str, action: Literal["dropped", "emulated", "changed", "moved"], detail: str) -> None:
        """Notes what did not reach the provider as asked."""
        self.losses.append(Loss(param, action, detail))
