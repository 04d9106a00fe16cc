"""What a cell hands to an engine: parts of inputs and products, and side inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from keras import ops

from rnnlayers.types import Tensor

Multiply: TypeAlias = Callable[..., Any]  # product(v, name="") of a step


class Fused(NamedTuple):
    """Tensors of one size that lie side by side in one; a step receives them as a list."""

    tensor: Tensor  # (..., parts * size)
    parts: int

    def cut(self) -> list[Tensor]:
        """Return the parts, each `(..., size)`."""
        return ops.split(self.tensor, self.parts, axis=-1) if self.parts > 1 else [self.tensor]


class Product(NamedTuple):
    """A matrix that steps multiply with, v K + b.

    The kernel is `(size, width)`. A kernel `(blocks, size, width)` multiplies each of `blocks`
    pieces of v with a matrix of its own. A kernel `(size,)` multiplies element by element.
    """

    kernel: Tensor
    bias: Tensor | None = None  # added to the product
    parts: int | None = None  # the step receives the product as a list of as many parts

    def of(self, v: Tensor) -> Tensor:
        """Return the product with v `(batch, size)`, in one piece."""
        product = multiply(v, self.kernel)
        return product if self.bias is None else product + self.bias

    def cut(self, product: Tensor) -> Any:
        """Return a product as the step receives it."""
        return product if self.parts is None else Fused(product, self.parts).cut()


class SideInputs(NamedTuple):
    """What `Cell.prepare` gets besides the inputs: dropout masks of `Cell.draw`, or a memory."""

    steps: tuple[Any, ...] = ()  # tensors (time, batch, ...), other at each step; without gradients
    sequence: tuple[Any, ...] = ()  # tensors that are the same at all steps, or None


def multiply(v: Tensor, kernel: Tensor) -> Tensor:
    """Return the product of v `(..., size)` and a kernel, see `Product`."""
    rank = len(kernel.shape)
    if rank == 2:
        return ops.matmul(v, kernel)
    if rank == 1:
        return v * kernel
    blocks, size, width = kernel.shape
    rows = ops.shape(v)[:-1]
    pieces = ops.einsum("...bi,bio->...bo", ops.reshape(v, (*rows, blocks, size)), kernel)
    return ops.reshape(pieces, (*rows, blocks * width))


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


def for_step(x: Any, change: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> Any:
    """Return what `prepare` returned as a step receives it, each tensor changed."""

    def view(leaf: Tensor | Fused) -> Any:
        if isinstance(leaf, Fused):
            return Fused(change(leaf.tensor), leaf.parts).cut()
        return change(leaf)

    return rebuild(x, map(view, leaves(x)))
