import numpy as np
import pytest

from apps.serve.about import About, example_of, read_about

CARD = """---
library_name: tensorflow
trained_on: 'made-up: reviews'
---

# judge

| endpoint |  | tensor | dtype | shape | meaning |
| --- | --- | --- | --- | --- | --- |
| `serving_default` | input | `text` | string | (?) | a review, UTF-8 |
| `serving_default` | output | `probability` | float32 | (?) | 0 to 1 |
"""


def test_a_card_says_what_a_model_is_trained_on_and_what_its_tensors_mean(tmp_path):
    (tmp_path / "model_card.md").write_text(CARD)
    about = read_about(tmp_path)
    assert about.trained_on == "made-up: reviews"
    assert about.card.startswith("# judge")
    meanings = {"text": "a review, UTF-8", "probability": "0 to 1"}
    assert about.meanings == {"serving_default": meanings}


@pytest.mark.parametrize(
    "card",
    ["", "# judge\n", "---\n[\n---\n# judge\n", "---\n- 1\n---\n", "---\ntrained_on: 1\n---\n"],
)
def test_a_card_of_another_form_says_less(tmp_path, card):
    (tmp_path / "model_card.md").write_text(card)
    about = read_about(tmp_path)
    assert (about.trained_on, about.meanings) == (None, {})


def test_a_model_needs_no_card(tmp_path):
    assert read_about(tmp_path) == About()
    (tmp_path / "model_card.md").write_bytes(b"\xff")
    assert read_about(tmp_path) == About()


def texts(*values):
    return np.array(values, object)


def test_the_most_readable_row_is_the_example():
    rows = texts(
        b"", b"\xff\xfe", b"word " * 100_000, b"\xf0\x9f\x91\x8f", b"A fine film.", b"Other"
    )
    assert example_of([{"text": rows[:1]}, {"text": rows}]) == {"text": ["A fine film."]}
    assert example_of([{"text": rows[:2]}]) == {"text": [{"b64": "//4="}]}
    assert example_of([{"text": rows[2:3]}]) == {"text": ["word " * 100_000]}
    assert example_of([{"text": texts(b"x" * 2**21)}]) is None
    assert example_of([]) is None


def test_numbers_scalars_and_files_are_as_a_request_has_them():
    photograph = b"\xff\xd8\xff" + bytes(range(256)) * 4
    request = {
        "image": texts(b"\x89PNG\r\n", photograph),
        "size": np.array([[1.5, 2], [0.1, 4]], "float32"),
        "seed": np.int32(7),
    }
    found = example_of([request])
    assert found["image"][0].keys() == {"b64"}
    assert len(found["image"][0]["b64"]) > 1000
    assert (found["size"], found["seed"]) == ([[0.1, 4]], 7)
