"""What `predict` says of one example, and its picture."""

import numpy as np
import tensorflow as tf

from apps.common.runs import Run
from apps.recognition.decoding import follow_best
from apps.recognition.examples import Example
from apps.recognition.exported import CLASSES, EVIDENCE, PROBABILITIES, Classifier
from apps.recognition.networks import BLANK, FEATURES, LENGTH
from apps.recognition.plots import plot_alignment, plot_evidence
from apps.recognition.recognizer import Recognizer
from apps.recognition.settings import Settings
from apps.recognition.transcriber import LOG_PROBABILITY, TEXT, Transcriber


def inputs_of(recognizer: Recognizer, example: Example) -> dict[str, tf.Tensor]:
    """Return the inputs of a recognizer for one example."""
    return {
        recognizer.name_of_input: tf.constant(example.values[None]),
        LENGTH: tf.constant([len(example.values)]),
    }


def answer_class(
    classifier: Classifier, example: Example, settings: Settings, run: Run, number: int | None
) -> str:
    """Return the class of an example in a line, and draw where the evidence lay.

    Args:
        classifier: The classifier.
        example: The example.
        settings: The settings of the run.
        run: The run.
        number: The number of the picture; None draws none.
    """
    answers = classifier.explain(**inputs_of(classifier, example))
    answer = {name: value.numpy()[0] for name, value in answers.items()}
    line = describe_class(answer, example.place)
    if number is not None:
        features = answer[FEATURES]
        seconds = settings.hop if classifier.spectra else None
        channels = [str(n + 1) for n in range(features.shape[1])]
        title = line.partition("  (")[0]
        plot_evidence(
            run, f"evidence_{number}", title, features, answer[EVIDENCE], seconds, channels
        )
    return line


def describe_class(answer: dict[str, np.ndarray], place: str) -> str:
    """Return the likeliest classes in a line."""
    probabilities = answer[PROBABILITIES]
    first, *others = np.argsort(-probabilities)[:3]
    names = [name.decode() for name in answer[CLASSES]]
    then = ", ".join(f"{names[n]} {probabilities[n]:.3f}" for n in others)
    return f"{names[first]}  {probabilities[first]:.3f}  (then {then})  {place}"


def answer_transcript(
    transcriber: Transcriber, example: Example, settings: Settings, run: Run, number: int | None
) -> str:
    """Return the words of a recording in a line, and draw when each letter was heard.

    Arguments are those of `answer_class`.
    """
    inputs = inputs_of(transcriber, example)
    answer = transcriber(**inputs)
    text = answer[TEXT].numpy()[0].decode()
    if number is not None:
        features, _ = transcriber.read(inputs)
        logits, steps = transcriber.logits(**inputs)
        letters = tf.nn.softmax(logits)[0, : int(steps[0])].numpy()
        heard = places_of(follow_best(logits, steps).ids[0].numpy(), letters)
        names = ("", *transcriber.symbols)
        marks = [(place, names[symbol]) for place, symbol in heard]
        seconds = settings.hop * settings.stride
        plot_alignment(
            run, f"alignment_{number}", text, features[0].numpy(), letters, marks, seconds
        )
    probability = float(np.exp(answer[LOG_PROBABILITY].numpy()[0]))
    return f"{text!r}  {probability:.3f}  {example.place}"


def places_of(ids: np.ndarray, probabilities: np.ndarray) -> list[tuple[int, int]]:
    """Return at which step each symbol of the likeliest alignment begins, and the symbol."""
    best = probabilities.argmax(axis=-1)
    before = np.concatenate([[BLANK], best[:-1]])
    places = np.flatnonzero((best != before) & (best != BLANK))
    return list(zip(places.tolist(), ids.tolist(), strict=True))
