"""Sums over all processes, by TensorFlow's collective operations."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnnlayers.distribute.processes import is_chief, rank, size

GROUP = 77  # all processes
BUCKET_BYTES = 2**22


def sum_over_processes(tensor: tf.Tensor, purpose: str) -> tf.Tensor:
    """Return the sum of a tensor over all processes, the same bits in each of them.

    Every process must call it, for the same purposes. With one process it returns the tensor.

    Args:
        tensor: A dense tensor of float or integer entries, of the same static shape everywhere.
        purpose: Tells one sum from another that may run at the same time. It must be the same in
            all processes, so it cannot be a count of calls: a process may trace a function anew
            when the others do not.
    """
    if size() == 1:
        return tensor
    # No timeout: TensorFlow would keep two threads for each operation until it is over. Processes
    # that end or stop answering are noticed without it.
    key = f"{purpose} {tensor.dtype.name} {tensor.shape.as_list()}"
    return tf.raw_ops.CollectiveReduceV2(
        input=tensor,
        group_size=size(),
        group_key=GROUP,
        instance_key=zlib.crc32(key.encode()) >> 1,  # an int32
        ordering_token=[],
        merge_op="Add",
        final_op="Id",
        communication_hint="auto",
    )


def sum_in_buckets(
    tensors: Sequence[tf.Tensor], purpose: str, bucket_bytes: int = BUCKET_BYTES
) -> list[tf.Tensor]:
    """Return the sums of tensors over all processes, small ones together in one operation.

    A collective operation takes its time however little it carries, so tensors of one type are
    joined to buckets of about `bucket_bytes`, and cut apart again.

    Args:
        tensors: Dense tensors of static shapes.
        purpose: As in `sum_over_processes`.
        bucket_bytes: A bucket is full when it has this many bytes. A larger tensor is a bucket of
            its own.
    """
    tensors = list(tensors)
    if size() == 1:
        return tensors
    sums: list[Any] = [None] * len(tensors)
    for number, bucket in enumerate(_buckets(tensors, bucket_bytes)):
        flat = [tf.reshape(tensors[i], [-1]) for i in bucket]
        joined = flat[0] if len(flat) == 1 else tf.concat(flat, axis=0)
        total = sum_over_processes(joined, f"{purpose}, bucket {number}")
        parts = tf.split(total, [part.shape[0] for part in flat])
        for i, part in zip(bucket, parts, strict=True):
            sums[i] = tf.reshape(part, tensors[i].shape)
    return sums


def _buckets(tensors: Sequence[tf.Tensor], bucket_bytes: int) -> Iterator[list[int]]:
    """Yield the places of the tensors in each bucket."""
    for dtype in sorted({tensor.dtype.name for tensor in tensors}):
        bucket: list[int] = []
        held = 0
        for i, tensor in enumerate(tensors):
            if tensor.dtype.name != dtype:
                continue
            bytes_ = tensor.shape.num_elements() * tensor.dtype.size
            if bucket and held + bytes_ > bucket_bytes:
                yield bucket
                bucket, held = [], 0
            bucket.append(i)
            held += bytes_
        if bucket:
            yield bucket


def from_chief(arrays: Sequence[np.ndarray], purpose: str) -> list[np.ndarray]:
    """Return the chief's arrays, in every process. Those of the others have the same shapes."""
    if size() == 1:
        return list(arrays)
    tensors = [tf.constant(array if is_chief() else np.zeros_like(array)) for array in arrays]
    return [total.numpy() for total in sum_in_buckets(tensors, purpose)]


def bytes_from_chief(content: bytes | None, purpose: str) -> bytes:
    """Return the bytes that the chief gives, in every process; the others give None."""
    if size() == 1:
        return content or b""
    content = content or b""
    (length,) = from_chief([np.array([len(content)], "int64")], f"{purpose}, length")
    words = np.zeros(-(-int(length[0]) // 4), "int32")
    if is_chief():
        words.view("uint8")[: len(content)] = np.frombuffer(content, "uint8")
    if not words.size:
        return b""
    (words,) = from_chief([words], purpose)
    return words.tobytes()[: int(length[0])]


def gather(number: int, purpose: str) -> list[int]:
    """Return an integer of each process, in the order of their ranks, in every process."""
    numbers = np.zeros(size(), "int64")
    numbers[rank()] = number
    return [int(n) for n in sum_over_processes(tf.constant(numbers), purpose).numpy()]
