"""TensorFlow's operators for cuDNN as NVIDIA documents them, for machines without a GPU.

One layer, in one direction or both. The buffer of weights is opaque on a GPU, so here it is in an
order of its own. What cuDNN forbids is an error here.
"""

import tensorflow as tf

from rnnlayers.engines.cudnn_call import Operators

DIRECTIONS = {"unidirectional": 1, "bidirectional": 2}


def _sizes(num_units, input_size, rnn_mode, num_proj, direction):
    """Return the shapes of matrices and of biases: those of one direction, then of the other."""
    gates = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}[rnn_mode]
    output = num_proj or num_units
    matrices = [(num_units, input_size)] * gates + [(num_units, output)] * gates
    matrices += [(num_proj, num_units)] if num_proj else []
    return DIRECTIONS[direction] * matrices, DIRECTIONS[direction] * [(num_units,)] * 2 * gates


def join(num_layers, num_units, input_size, weights, biases, **kind):
    assert num_layers == 1
    matrices, vectors = _sizes(num_units, input_size, **kind)
    assert [tuple(tensor.shape) for tensor in (*weights, *biases)] == [*matrices, *vectors]
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in (*biases, *weights[::-1])], 0)


def split(num_layers, num_units, input_size, params, num_params_weights, num_params_biases, **kind):
    matrices, vectors = _sizes(num_units, input_size, **kind)
    assert (num_params_weights, num_params_biases) == (len(matrices), len(vectors))
    shapes = [*vectors, *matrices[::-1]]
    parts = tf.split(params, [tf.reduce_prod(shape) for shape in shapes])
    parts = [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
    return parts[len(vectors) :][::-1], parts[: len(vectors)]


def _compute(x, h, c, params, lengths, rnn_mode, num_proj, direction):
    """Return outputs and final states, by cudnnRNNMode_t of NVIDIA's documentation."""
    assert int(tf.reduce_min(lengths)) >= 1, "a row without a step"
    assert int(tf.reduce_max(lengths)) <= x.shape[1]
    kind = {"rnn_mode": rnn_mode, "num_proj": num_proj, "direction": direction}
    directions, units = DIRECTIONS[direction], (c if rnn_mode == "lstm" else h).shape[-1]
    assert h.shape[1] == directions
    counts = map(len, _sizes(units, x.shape[-1], **kind))
    weights, biases = split(1, units, x.shape[-1], params, *counts, **kind)
    found = []
    for place in range(directions):
        # Backwards, a row begins with its last step that is no padding.
        steps = tf.reverse_sequence(x, lengths, 1) if place else x
        outputs, *after = _compute_direction(
            steps,
            h[:, place],
            c[:, place] if rnn_mode == "lstm" else c,
            weights[place * len(weights) // directions :][: len(weights) // directions],
            biases[place * len(biases) // directions :][: len(biases) // directions],
            lengths,
            rnn_mode,
            num_proj,
        )
        found.append([tf.reverse_sequence(outputs, lengths, 1) if place else outputs, *after])
    outputs, h, finals = zip(*found, strict=True)
    c = tf.stack(finals, 1) if rnn_mode == "lstm" else c
    return tf.concat(outputs, -1), tf.stack(h, 1), c


def _compute_direction(x, h, c, weights, biases, lengths, rnn_mode, num_proj):
    gates, outputs = len(biases) // 2, []
    for t in range(x.shape[1]):
        of_x = [
            x[:, t] @ tf.transpose(w) + b for w, b in zip(weights, biases[:gates], strict=False)
        ]
        of_h = [
            h @ tf.transpose(r) + b
            for r, b in zip(weights[gates : 2 * gates], biases[gates:], strict=True)
        ]
        if rnn_mode == "lstm":
            i, f, g, o = (a + b for a, b in zip(of_x, of_h, strict=True))
            new_c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            new_h = tf.sigmoid(o) * tf.tanh(new_c)
            new_h = new_h @ tf.transpose(weights[-1]) if num_proj else new_h
        elif rnn_mode == "gru":
            r, i = (tf.sigmoid(a + b) for a, b in zip(of_x[:2], of_h[:2], strict=True))
            new_h = (1 - i) * tf.tanh(of_x[2] + r * of_h[2]) + i * h
        else:
            new_h = {"rnn_tanh": tf.tanh, "rnn_relu": tf.nn.relu}[rnn_mode](of_x[0] + of_h[0])
        there = (t < lengths)[:, None]
        outputs.append(tf.where(there, new_h, tf.zeros_like(new_h)))  # padding is filled with zeros
        h = tf.where(there, new_h, h)
        c = tf.where(there, new_c, c) if rnn_mode == "lstm" else c
    return tf.stack(outputs, 1), h, c


def forward(  # under the names of TensorFlow's arguments
    input, input_h, input_c, params, sequence_lengths, is_training, time_major, **kind
):
    assert not time_major
    results = _compute(input, input_h, input_c, params, sequence_lengths, **kind)
    reserve = tf.ones((3,) if is_training else (), input.dtype)  # only training keeps what it needs
    return *results, reserve, tf.zeros((0,), tf.int8)


def backward(
    input, input_h, input_c, params, sequence_lengths, output, output_h, output_c,
    output_backprop, output_h_backprop, output_c_backprop, reserve_space, host_reserved,
    time_major, **kind,
):  # fmt: skip
    assert not time_major
    assert reserve_space.shape == (3,), "a forward pass with is_training=False keeps nothing"
    sources = [input, input_h, input_c, params]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = _compute(*sources, sequence_lengths, **kind)
    for result, saved in zip(results, (output, output_h, output_c), strict=True):
        tf.debugging.assert_near(result, saved)
    upstream = [output_backprop, output_h_backprop, output_c_backprop]
    return tape.gradient(results, sources, upstream, unconnected_gradients="zero")


STAND_IN = Operators(forward, backward, join, split)
