"""The contender ONNX Runtime, with ONNX's own operators for Elman, LSTM and GRU."""

import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benchmarks.contenders import Arrays, Contender, Workload

# ONNX's operators, and the gates of our cells in their order.
OPERATORS = {"Elman": ("RNN", "h"), "LSTM": ("LSTM", "iofg"), "GRU": ("GRU", "zrn")}
OPSET, IR_VERSION = 22, 10


def in_onnx_runtime(workload: Workload, arrays: Arrays) -> Contender:
    """Return a layer that ONNX Runtime runs, on as many threads as there are cores."""
    operator, names = OPERATORS[workload.layer]
    ours = workload.make_layer(ours=True).cell.gates
    batch, time, features, units = workload.shape
    kernel, recurrent_kernel, bias = arrays.weights

    def in_order(weight: np.ndarray) -> np.ndarray:
        """Return `(rows, gates * units)` as `(1, gates * units, rows)`, gates in ONNX's order."""
        parts = dict(zip(ours, np.split(weight, len(ours), axis=-1), strict=True))
        return np.concatenate([parts[name] for name in names], axis=-1).T[None]

    # Keras' LSTM and Elman have one bias; ONNX adds two.
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    weights = {
        "W": in_order(kernel),
        "R": in_order(recurrent_kernel),
        "B": np.concatenate([in_order(one[None]) for one in biases], axis=1)[..., 0],
        "shape": np.array([batch, time, units]),
    }
    options = {"linear_before_reset": 1} if operator == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["inputs"], ["x"], perm=[1, 0, 2]),
        helper.make_node(operator, ["x", "W", "R", "B"], ["y"], hidden_size=units, **options),
        helper.make_node("Transpose", ["y"], ["by_row"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["by_row", "shape"], ["outputs"]),
    ]
    graph = helper.make_graph(
        nodes,
        workload.layer,
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, [batch, time, features])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [batch, time, units])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, ["CPUExecutionProvider"]
    )
    return lambda: session.run(["outputs"], {"inputs": arrays.inputs})
