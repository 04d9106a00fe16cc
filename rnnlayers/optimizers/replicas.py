"""Operations over all replicas of a `tf.distribute.Strategy`, called in each of them."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.optimizers.gradients import Gradient, map_values


def is_first() -> tf.Tensor:
    """Return a boolean scalar: whether this is the first replica, or the only one."""
    return tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)


def sum_over_replicas(gradients: Sequence[Gradient]) -> list[Gradient]:
    """Return the sum of all replicas' gradients, on each of them."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return list(gradients)
    return list(replica.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients)))


def from_first(gradient: Gradient) -> Gradient:
    """Return zeros on all replicas but the first, so that their sum is `gradient`.

    This is exact for any number of replicas, and for squares of sparse rows. A share of
    1 / replicas on each would not be.
    """
    if tf.distribute.get_replica_context().num_replicas_in_sync == 1:
        return gradient
    first = is_first()
    return map_values(lambda v: tf.where(first, v, tf.zeros_like(v)), gradient)


def run_if(
    condition: tf.Tensor, update: Callable[[list[Gradient]], None], gradients: list[Gradient]
) -> None:
    """Call `update(gradients)` if `condition` is true, on which all replicas must agree."""
    if not tf.distribute.has_strategy():
        tf.cond(condition, lambda: update(gradients), lambda: None)
        return

    # An update may wait for the other replicas. TensorFlow forbids that in a branch of a single
    # replica, so the branch is taken outside, for all replicas.
    def together(strategy: tf.distribute.Strategy, condition: Any, gradients: Any) -> None:
        tf.cond(
            strategy.experimental_local_results(condition)[0],
            lambda: strategy.run(update, args=(gradients,)),
            lambda: None,
        )

    tf.distribute.get_replica_context().merge_call(together, args=(condition, gradients))
