"""Which rows each process trains on."""

from typing import Any

import tensorflow as tf

from rnnlayers.distribute.collectives import gather
from rnnlayers.distribute.processes import rank, size


def share(rows: int) -> slice:
    """Return this process's part of `rows` rows.

    The parts are in the order of the ranks, together they are all rows, and their sizes differ by
    at most one: rows floor(r N / P) to floor((r + 1) N / P) of N for rank r of P.

    Example:
        >>> from rnnlayers import distribute
        >>> distribute.share(10)  # of one process
        slice(0, 10, None)
    """
    return slice(rank() * rows // size(), (rank() + 1) * rows // size())


def shard(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Take this process's rows of each batch of a data set that is the same in all processes.

    The batch size of the data set stays that of the training, every row is seen by exactly one
    process, and every process makes the same number of steps. Shares may be unequal, as in a last
    batch that is smaller; with fewer rows than processes some get a batch without rows.
    `distribute_model` weighs them so that the mean is that of the whole batch.

    Batches are padded before they are shared, so all processes have the same number of timesteps.
    Each of them makes the whole batch and drops the rows of the others. Where making a batch costs
    more than training on it, give each process files of its own and use `even_out`.

    Args:
        dataset: Batches: a tensor or a nested structure of tensors, all with the rows of the batch
            as their first axis. A part may have several rows, always as many and next to each
            other, for each row of the part with the fewest, such as captions for images.

    Returns:
        A data set with the same number of batches.

    Raises:
        ValueError: If a part of the batch has no axis of rows.
    """
    if size() == 1:
        return dataset
    for spec in tf.nest.flatten(dataset.element_spec):
        if spec.shape.rank == 0:
            raise ValueError(
                "shard: every part of a batch must have the rows as its first axis; received a "
                f"scalar, {spec}. Batch the data set before it is sharded."
            )
    return dataset.map(
        tf.autograph.experimental.do_not_convert(lambda *batch: _own_rows(_whole(batch)))
    )


def even_out(dataset: tf.data.Dataset, purpose: str = "batches") -> tf.data.Dataset:
    """Append batches without rows until all processes have the same number of batches.

    For data sets of which each process reads its own part. Every process must call it, with a data
    set whose cardinality is known. A process without batches would leave the others waiting.

    Args:
        dataset: The batches of this process.
        purpose: Names the data set in errors.

    Raises:
        ValueError: If the number of batches is unknown or infinite.
    """
    count = int(dataset.cardinality().numpy())
    counts = gather(count, f"number of {purpose}")
    if min(counts) < 0:
        raise ValueError(
            f"even_out: the number of {purpose} must be known in every process; received a data "
            "set of unknown or infinite cardinality. Apply "
            "tf.data.experimental.assert_cardinality(n)."
        )
    missing = max(counts) - count
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([0, *(n or 1 for n in spec.shape[1:])], spec.dtype),
        dataset.element_spec,
    )
    return dataset.concatenate(tf.data.Dataset.from_tensors(empty).repeat(missing)).apply(
        tf.data.experimental.assert_cardinality(max(counts))
    )


def _whole(batch: tuple[Any, ...]) -> Any:
    """Undo what `map` does to an element that is no tuple."""
    return batch[0] if len(batch) == 1 else batch


def _own_rows(batch: Any) -> Any:
    parts = tf.nest.flatten(batch)
    counts = [part.shape[0] for part in parts]
    if None not in counts:
        fewest = min(counts)
        ours = share(fewest)
        return tf.nest.map_structure(
            lambda part: part[
                ours.start * part.shape[0] // fewest : ours.stop * part.shape[0] // fewest
            ],
            batch,
        )
    sizes = [tf.shape(part, tf.int64)[0] for part in parts]
    rows = tf.reduce_min(tf.stack(sizes))
    start, stop = (tf.constant(r, tf.int64) * rows // size() for r in (rank(), rank() + 1))
    several = [count // tf.maximum(rows, 1) for count in sizes]
    return tf.nest.pack_sequence_as(
        batch, [part[start * n : stop * n] for part, n in zip(parts, several, strict=True)]
    )
