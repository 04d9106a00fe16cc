"""What a cell hands to an engine: parts of inputs and products, and side inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from keras import ops

from rnnlayers.types import Tensor

Multiply: TypeAlias = Callable[..., Any]  # product(v, name="") of a step


class Fused(NamedTuple):
    """Tensors of one size that lie side by side in one; a step receives them as a list.

    Args:
        tensor: `(..., parts * size)`.
        parts: How many they are.

    Example:

    >>> [part.shape for part in rnnlayers.Fused(ops.ones((5, 2, 6)), 3).cut()]
    [TensorShape([5, 2, 2]), TensorShape([5, 2, 2]), TensorShape([5, 2, 2])]
    """

    tensor: Tensor
    parts: int

    def cut(self) -> list[Tensor]:
        """Return the parts, each `(..., size)`."""
        return ops.split(self.tensor, self.parts, axis=-1) if self.parts > 1 else [self.tensor]


class Product(NamedTuple):
    """A matrix that steps multiply with, v K + b.

    Args:
        kernel: `(size, width)`. A kernel `(blocks, size, width)` multiplies each of `blocks` pieces
            of v with a matrix of its own. A kernel `(size,)` multiplies element by element.
        bias: `(width,)`, added to the product, or None.
        parts: The step receives the product as a list of as many parts, or in one piece if None.

    Example:

    >>> rnnlayers.Product(ops.ones((4, 6))).of(ops.ones((2, 4))).shape
    TensorShape([2, 6])
    """

    kernel: Tensor
    bias: Tensor | None = None
    parts: int | None = None

    def of(self, v: Tensor) -> Tensor:
        """Return the product with v `(batch, size)`, in one piece."""
        product = multiply(v, self.kernel)
        return product if self.bias is None else product + self.bias

    def cut(self, product: Tensor) -> Any:
        """Return a product as the step receives it."""
        return product if self.parts is None else Fused(product, self.parts).cut()


class SideInputs(NamedTuple):
    """What `Cell.prepare` gets besides the inputs: dropout masks of `Cell.draw`, or a memory.

    Args:
        steps: Tensors `(time, batch, ...)`, other at each step. They get no gradients.
        sequence: Tensors that are the same at all steps, or None in the place of one.

    Example:

    >>> rnnlayers.SideInputs(sequence=(None, ops.ones((2, 4)))).steps
    ()
    """

    steps: tuple[Any, ...] = ()
    sequence: tuple[Any, ...] = ()


def multiply(v: Tensor, kernel: Tensor) -> Tensor:
    """Return the product of v `(..., size)` and a kernel, see `Product`."""
    rank = len(kernel.shape)
    if rank == 2:
        return ops.matmul(v, kernel)
    if rank == 1:
        return ops.multiply(v, kernel)
    blocks, size, width = kernel.shape
    rows = ops.shape(v)[:-1]
    pieces = ops.einsum("...bi,bio->...bo", ops.reshape(v, (*rows, blocks, size)), kernel)
    return ops.reshape(pieces, (*rows, blocks * width))


def transposed(kernel: Tensor) -> Tensor:
    """Return the kernel that takes the gradient of a product to that of its operand."""
    if len(kernel.shape) == 1:
        return kernel
    return ops.swapaxes(ops.convert_to_tensor(kernel), -1, -2)


def by(products: Mapping[str, Product]) -> Multiply:
    """Return the function that computes the products of a step."""

    def product(v: Tensor, name: str = "") -> Any:
        return products[name].cut(products[name].of(v))

    return product


def add(one: Sequence[Tensor], other: Sequence[Tensor]) -> list[Tensor]:
    """Return the sums of two lists of tensors, part by part."""
    return [a + b for a, b in zip(one, other, strict=True)]


def leaves(x: Any) -> Iterator[Tensor | Fused]:
    """Yield the tensors of what `prepare` returns, `Fused` ones in one piece."""
    if isinstance(x, list | tuple) and not isinstance(x, Fused):
        for item in x:
            yield from leaves(item)
    else:
        yield x


def rebuild(x: Any, values: Iterator[Any]) -> Any:
    """Return `values`, one for each of `leaves`, in the structure of `x`."""
    if isinstance(x, list | tuple) and not isinstance(x, Fused):
        return tuple(rebuild(item, values) for item in x)
    return next(values)


def tensors_of(x: Any) -> list[Tensor]:
    """Return the tensors of what `prepare` returned, fused ones in one piece."""
    return [leaf.tensor if isinstance(leaf, Fused) else leaf for leaf in leaves(x)]


def with_tensors(x: Any, tensors: Sequence[Any]) -> Any:
    """Return other tensors in the structure of what `prepare` returned."""
    pairs = zip(leaves(x), tensors, strict=True)
    return rebuild(x, (Fused(t, leaf.parts) if isinstance(leaf, Fused) else t for leaf, t in pairs))


def for_step(x: Any, change: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> Any:
    """Return what `prepare` returned as a step receives it, each tensor changed."""

    def view(leaf: Tensor | Fused) -> Any:
        if isinstance(leaf, Fused):
            return Fused(change(leaf.tensor), leaf.parts).cut()
        return change(leaf)

    return rebuild(x, map(view, leaves(x)))
