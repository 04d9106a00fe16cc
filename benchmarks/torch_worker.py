"""PyTorch's side: a process of its own environment that answers JSON lines with JSON lines.

It runs where only PyTorch and NumPy are installed; `torch_process.py` starts it and has the words
of the two. Arrays travel in files, by the names of PyTorch's state dict.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import memory

MODULES = {"RNN_TANH": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}


class Worker:
    """Holds one workload at a time; each method answers one request."""

    call: Callable[[], dict[str, torch.Tensor]]
    device = "cpu"

    def hello(self, threads: int, device: str) -> dict[str, Any]:
        """Set the number of threads and the device, and say who answers."""
        torch.set_num_threads(threads)
        torch.zeros(1, device=device)  # an error if it is not there
        self.device = device
        return {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
        }

    def prepare(self, mode: str, training: bool, arrays: str, dtype: str) -> dict[str, Any]:
        """Build a module with the weights in a file, cast to a dtype, and its step."""
        cast = {"device": self.device, "dtype": getattr(torch, dtype)}
        tensors = {name: tensor.to(**cast) for name, tensor in _read(arrays).items()}
        inputs, upstream = tensors.pop("inputs"), tensors.pop("upstream")
        units, features = upstream.shape[-1], inputs.shape[-1]
        module = MODULES[mode](features, units, batch_first=True, **cast)
        module.load_state_dict(tensors)
        self._hold(module, dict(module.named_parameters()), inputs, upstream, training)
        return {}

    def prepare_twin(
        self, module: str, units: int, options: dict[str, Any], training: bool, arrays: str
    ) -> dict[str, Any]:
        """Build a module of PyTorch ("nn.LSTM") or of torchrecurrent ("CFN"), and its step.

        Biases that the file lacks are zero, and so is what is NaN there.
        """
        tensors = _read(arrays)
        inputs, upstream = tensors.pop("inputs"), tensors.pop("upstream")
        library, prefix = torch.nn, ""
        if not module.startswith("nn."):
            import torchrecurrent

            library, prefix = torchrecurrent, "cells.0."
        make = getattr(library, module.removeprefix("nn."))
        made = make(inputs.shape[-1], units, batch_first=True, **options).to(inputs.dtype)
        parameters = dict(made.named_parameters())
        with torch.no_grad():
            for name, parameter in parameters.items():
                if "bias" in name:
                    parameter.zero_()
            for name, tensor in tensors.items():
                parameters[prefix + name].copy_(torch.nan_to_num(tensor))
        held = {name: parameters[prefix + name] for name in tensors}
        self._hold(made, held, inputs, upstream, training)
        return {}

    def _hold(
        self,
        module: torch.nn.Module,
        weights: dict[str, torch.Tensor],
        inputs: torch.Tensor,
        upstream: torch.Tensor,
        training: bool,
    ) -> None:
        def infer() -> dict[str, torch.Tensor]:
            with torch.inference_mode():
                return {"outputs": module(inputs)[0]}

        def train() -> dict[str, torch.Tensor]:
            outputs, _ = module(inputs)
            gradients = torch.autograd.grad(outputs, [inputs, *weights.values()], upstream)
            named = zip(("inputs", *weights), gradients, strict=True)
            return {"outputs": outputs.detach(), **dict(named)}

        inputs.requires_grad_(training)
        self.call = train if training else infer

    def time(self, calls: int) -> dict[str, Any]:
        """Time a number of calls together."""
        self._wait()
        start = time.perf_counter()
        for _ in range(calls):
            self.call()
        self._wait()
        return {"seconds": time.perf_counter() - start}

    def _wait(self) -> None:
        """Wait for kernels that still run."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def results(self, to: str) -> dict[str, Any]:
        """Write what a call returns to a file."""
        np.savez(to, **{name: tensor.cpu().numpy() for name, tensor in self.call().items()})
        return {}

    def memory(self) -> dict[str, Any]:
        """Say how many bytes two calls add to the process."""
        before = memory.reset_peak()
        for _ in range(2):
            self.call()
        return {"bytes": memory.peak() - before}


def _read(arrays: str) -> dict[str, torch.Tensor]:
    with np.load(arrays) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def main() -> None:
    """Answer requests until the input ends."""
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
