"""The two ways to run an engine: eagerly, which is quick, and compiled, which is slow."""

import pytest
import tensorflow as tf


@pytest.fixture(params=["eagerly", pytest.param("compiled", marks=pytest.mark.slow)])
def either_way(request):
    """Run a test eagerly and, among the slow tests, with all that XLA compiles."""
    tf.config.run_functions_eagerly(request.param == "eagerly")
    yield
    tf.config.run_functions_eagerly(False)
