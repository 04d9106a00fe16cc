import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from huggingface_hub import ModelCard

from apps.common import cards, exports
from apps.common.cards import Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.runs import Run
from apps.common.signatures import CARD_FILE, WARMUP
from apps.serve.servable import Servable, warmup_requests

PROBES = {"text": ["A fine film.", ""]}


# Of two functions, of which no other runtime has the second.
NUMERIC = NumericEndpoints(
    {
        "twice": (lambda x: 2 * x, {"x": tf.TensorSpec([None, 2], tf.float32)}),
        "lengths": (tf.strings.length, {"text": tf.TensorSpec([None], tf.string)}),
    },
    {"twice": {"x": [[1.0, 2.0]]}, "lengths": PROBES},
    {"words.json": ["", "film", "\N{MUSIC SHARP SIGN}"]},
)


CARD = Card(
    "Judges reviews.",
    {"text": "a review, UTF-8", "probability": "0 to 1", "label": "the review again"},
    "It knows nothing.",
    {"sample": "None."},
    "text-classification",
    {"sample": "made-up reviews"},
)


class Judge(tf.Module):
    def __call__(self, text):
        return {"probability": tf.zeros(tf.shape(text)[:1]), "label": text}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    settings = {"source": "/home/someone/reviews.csv", "seed": 5}
    run.settings_file.write_text(json.dumps(settings))
    return run


@pytest.fixture
def export(run, tmp_path, in_process):
    def export(**options):
        model = Judge()
        endpoints = {"serving_default": (model, {"text": tf.TensorSpec([None], tf.string)})}
        probes = {"serving_default": PROBES}
        folder = tmp_path / "saved_models"
        return exports.export_run(
            model,
            run,
            "sentiment",
            folder,
            endpoints=endpoints,
            probes=probes,
            numeric=lambda: NUMERIC,
            card=CARD,
            **options,
        )

    return export


def test_a_version_brings_requests_that_warm_it_up(export, monkeypatch):
    path = export()
    answered = []
    monkeypatch.setattr(Servable, "predict", lambda _, *request: answered.append(request))
    servable = Servable(path)
    assert [(name, [*inputs]) for name, inputs in answered] == [("serving_default", ["text"])]
    assert servable.warm_up() == 0  # none is asked twice
    ((name, inputs),) = warmup_requests(path / WARMUP)
    assert name == "serving_default"
    assert inputs["text"].tolist() == [text.encode() for text in PROBES["text"]]


def test_its_card_says_what_it_is_and_where_nothing_was_measured(export):
    card = (export() / CARD_FILE).read_text()
    assert "| `serving_default` | input | `text` | string | (?) | a review, UTF-8 |" in card
    assert "| `serving_default` | output | `probability` | float32 | (?) |" in card
    assert "`python -m apps.sentiment evaluate --run run` measures it" in card
    assert "seed 5" in card
    assert "reviews.csv" in card
    assert "someone" not in card


def test_its_card_sets_the_metric_beside_the_baselines(export, run):
    found = {"split": "test", "metrics": {"accuracy": 0.9}, "baselines": {"trivial": {}}}
    run.write_metrics(found)
    card = (export() / CARD_FILE).read_text()
    assert "| this model | 0.9 |\n| trivial |  |" in card


def test_its_header_is_what_hugging_face_reads(export, run):
    found = {"split": "test", "metrics": {"accuracy": 0.9, "f1": float("nan")}, "baselines": {}}
    run.write_metrics(found)
    file = export() / CARD_FILE
    read = ModelCard.load(file)
    assert ModelCard(str(read)).data.to_dict() == read.data.to_dict()
    data = read.data
    assert (data.license, data.library_name) == ("unknown", "tensorflow")
    assert data.pipeline_tag == "text-classification"
    (result,) = data.eval_results
    assert result.metric_type == "accuracy"
    assert result.metric_value == 0.9
    assert (result.dataset_type, result.dataset_split) == ("reviews.csv", "test")
    assert data.to_dict()["trained_on"] == "reviews.csv (data of its user)"
    assert read.text.lstrip().startswith("# sentiment\n\nJudges reviews.")
    assert "Trained on reviews.csv (data of its user)." in read.text
    assert "someone" not in str(read)


@pytest.mark.network
def test_hugging_face_takes_the_header(export):
    ModelCard.load(export() / CARD_FILE).validate()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "sample"}, "made-up reviews"),
        ({"source": "sample", "sample": "co2"}, "made-up reviews"),
        ({"source": "tfds"}, "a data set of the TensorFlow Datasets catalogue"),
        ({"source": "/home/someone/own.csv"}, "own.csv (data of its user)"),
    ],
)
def test_what_a_model_is_trained_on_is_said_in_a_few_words(settings, words):
    assert cards.trained_on(CARD, settings) == words


def test_one_of_several_samples_has_its_own_words():
    card = dataclasses.replace(CARD, trained_on={"sample": "waves", "sample:co2": "air"})
    assert cards.trained_on(card, {"source": "sample", "sample": "co2"}) == "air"
    assert cards.trained_on(card, {"source": "sample", "sample": None}) == "waves"


def test_a_version_without_the_extra_has_no_requests(export, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_serving.apis.predict_pb2", None)
    path = export()
    assert not (path / WARMUP).exists()
    assert "tensorflow-serving-api is not installed" in capsys.readouterr().out
    assert np.shape(Servable(path).predict("serving_default", PROBES)["label"]) == (2,)


def test_other_runtimes_get_what_they_can_hold(export, capsys):
    folder = export(also=("onnx", "litert")) / "assets.extra"
    names = {file.name for file in folder.iterdir()}
    assert names == {"twice.onnx", "twice.tflite", "words.json", WARMUP.name}
    assert (
        json.loads((folder / "words.json").read_text("utf-8")) == NUMERIC.vocabularies["words.json"]
    )
    out = capsys.readouterr().out
    assert "No lengths.onnx" in out
    assert "No lengths.tflite" in out


def test_a_runtime_that_is_not_installed_is_named_before_anything_is_done(
    export, monkeypatch, tmp_path
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"also: litert needs ai_edge_litert"):
        export(also=("litert",))
    assert not (tmp_path / "saved_models").exists()
