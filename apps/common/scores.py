"""Scores of a run next to those of its baselines."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

Scores = Mapping[str, float]


class Comparison(NamedTuple):
    """A metric of a run, and the best baseline by that metric."""

    metric: str
    ours: float
    baseline: str
    theirs: float
    beaten: bool  # whether the baseline is better than the run


def compare(
    metrics: Scores,
    baselines: Mapping[str, Scores],
    lower_is_better: Collection[str],
    unordered: Collection[str],
) -> Iterator[Comparison]:
    """Compare each metric that a baseline has, too, and that has a best value.

    Args:
        metrics: The scores of the run.
        baselines: The scores of each baseline.
        lower_is_better: The metrics of which the lowest is the best.
        unordered: The metrics of which neither the lowest nor the highest is the best.
    """
    for metric, ours in metrics.items():
        scores = {name: scores[metric] for name, scores in baselines.items() if metric in scores}
        if scores and metric not in unordered:
            sign = -1 if metric in lower_is_better else 1
            best = max(scores, key=lambda name: sign * scores[name])
            yield Comparison(metric, ours, best, scores[best], sign * scores[best] > sign * ours)
