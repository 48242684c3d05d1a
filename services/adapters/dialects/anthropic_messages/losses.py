"""Where the writing of a request notes what Anthropic cannot carry as asked."""

from services.vocabulary.event import Loss


class Losses:
    """Collects losses in the order they are met."""

    def __init__(self) -> None:
        self.all: list[Loss] = []

    def dropped(self, param: str, detail: str) -> None:
        """It did not reach the provider."""
        self.all.append(Loss(param, "dropped", detail))

    def emulated(self, param: str, detail: str) -> None:
        """It was asked for by other means."""
        self.all.append(Loss(param, "emulated", detail))

    def changed(self, param: str, detail: str) -> None:
        """Another value was sent."""
        self.all.append(Loss(param, "changed", detail))

    def moved(self, param: str, detail: str) -> None:
        """It stands in another place."""
        self.all.append(Loss(param, "moved", detail))
