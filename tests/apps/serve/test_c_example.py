"""The C program of saved_models/README.md compiles, and answers as the model does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf

README = Path(__file__).parents[3] / "saved_models" / "README.md"


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
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_program_answers(tmp_path):
    module, model = Classifier(), str(tmp_path / "model")
    tf.saved_model.save(module, model, signatures={"serving_default": module.classify})
    (tmp_path / "serve.c").write_text(re.search("```c\n(.*?)```", README.read_text(), re.S)[1])
    package = Path(tf.__file__).parent
    libraries = [package / f"libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    command = ["gcc", "-Wall", "-Werror", "serve.c", "-o", "serve", f"-I{package / 'include'}"]
    subprocess.run([*command, *libraries, f"-Wl,-rpath,{package}"], check=True, cwd=tmp_path)
    done = subprocess.run(
        [tmp_path / "serve", model, "four"], check=True, capture_output=True, text=True
    )
    assert done.stdout == "long 0.25\n"
