"""Steps that the replicas of a `tf.distribute.Strategy` take together, called in each of them."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.optimizers.gradients import Gradient, map_values


def is_first() -> tf.Tensor:
    """A boolean scalar: true on one replica only, and where there is but one."""
    return tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)


def sum_over_replicas(gradients: Sequence[Gradient]) -> list[Gradient]:
    """The sum of all replicas' gradients, on each of them."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return list(gradients)
    return list(replica.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients)))


def from_first(gradient: Gradient) -> Gradient:
    """Zero on all replicas but the first, so that a sum over the replicas gives `gradient`.

    Exact for any number of replicas, and for squares of sparse rows, which a share of
    1 / replicas on each is not.
    """
    if tf.distribute.get_replica_context().num_replicas_in_sync == 1:
        return gradient
    first = is_first()
    return map_values(lambda v: tf.where(first, v, tf.zeros_like(v)), gradient)


def run_if(
    condition: tf.Tensor, update: Callable[[list[Gradient]], None], gradients: list[Gradient]
) -> None:
    """Calls `update(gradients)` if `condition`, on which all replicas must agree, is true."""
    if not tf.distribute.has_strategy():
        tf.cond(condition, lambda: update(gradients), lambda: None)
        return

    # An update may wait for the other replicas, which TensorFlow forbids in a branch that one
    # replica takes for itself; so the branch is taken outside of them, for all.
    def together(strategy: tf.distribute.Strategy, condition: Any, gradients: Any) -> None:
        tf.cond(
            strategy.experimental_local_results(condition)[0],
            lambda: strategy.run(update, args=(gradients,)),
            lambda: None,
        )

    tf.distribute.get_replica_context().merge_call(together, args=(condition, gradients))
