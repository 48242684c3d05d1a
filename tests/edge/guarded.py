"""A provider that looks at the key it is shown."""

import json

from tests.fake_provider import Fake, Reply, Seen


class Guarded(Fake):
    """Refuses keys in `bad`."""

    OURS = "gateway-own-Wk3R9pLz0q"

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()

    def answer(self, seen: Seen) -> Reply:
        if self.key(seen) in self.bad:
            self.seen.append(seen)
            return Reply(json.dumps({"message": f"Unauthorized: {self.key(seen)}"}).encode(), 401)
        return super().answer(seen)

    @staticmethod
    def key(seen: Seen) -> str:
        return seen.headers["authorization"].removeprefix("Bearer ")

    def keys(self) -> list[str]:
        """The keys it was asked with since the last time."""
        used = [self.key(seen) for seen in self.seen]
        self.seen.clear()
        return used
