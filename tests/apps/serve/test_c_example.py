"""The C program of saved_models/README.md compiles, and answers as the model does."""

import subprocess

import pytest
import tensorflow as tf

from tests.apps.common import c_api


class Classifier(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(1 / 16)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(self, text):
        length = tf.strings.length(text)
        label = tf.where(length > 3, "long", "short")
        return {"label": label, "probability": self.scale * tf.cast(length, tf.float32)}


@pytest.mark.slow
def test_the_program_answers(tmp_path):
    program, _ = c_api.documented()
    module, model = Classifier(), str(tmp_path / "model")
    tf.saved_model.save(module, model, signatures={"serving_default": module.classify})
    call = "StatefulPartitionedCall"
    command = [program, model, "serving_default_text:0", f"{call}:0", f"{call}:1"]
    done = subprocess.run(command, input=b"f\0ur", check=True, capture_output=True)
    assert done.stdout == b"long\n0.25\n"
    refused = subprocess.run([*command, "other:0"], input=b"", capture_output=True)
    assert refused.returncode == 1
    assert refused.stderr.endswith(b"the model has no other\n")  # after TensorFlow's own lines
