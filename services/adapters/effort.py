"""Reasoning efforts between what was asked for and what a model has."""

from collections.abc import Sequence

from services.vocabulary.call import EFFORTS, Effort


def nearest(asked: Effort, known: Sequence[Effort]) -> Effort:
    """The effort itself, else the next higher one that is known, else the next lower. `known` must not be empty."""
    rank = EFFORTS.index
    higher = [effort for effort in known if rank(effort) >= rank(asked)]
    return min(higher, key=rank) if higher else max(known, key=rank)
