"""Tests of what Keras itself has from some version on."""

import keras
import pytest

has_multi_optimizer = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras has no MultiOptimizer yet"
)
has_reversible_embedding = pytest.mark.skipif(
    not hasattr(keras.layers, "ReversibleEmbedding"), reason="Keras has no ReversibleEmbedding yet"
)
weighs_masks_in_metrics = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 11),
    reason="Keras 3.10 counts padding in metrics",
)
