"""One wording for each kind of argument; True and False are no numbers."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import checks
from rnnlayers.decoding import BeamSearch, Greedy, Sampling, decode
from rnnlayers.optimizers import ClipByNorm
from tests.numbers import refused


def message(check, *arguments, **options):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is returned
        check(*arguments, **options)
    return str(error.value)


def test_each_message_says_what_was_expected_what_came_and_what_to_do():
    for given in (0, -1, 2.0, "4", None, True):
        said = message(checks.check_positive_integer, "units", given, "the size", hint="Pass 4.")
        assert said == f"`units` must be a positive integer, the size; received {given!r}. Pass 4."
    said = message(checks.check_positive_integer, "top_k", 0, "a count", or_none=True)
    assert said == "`top_k` must be a positive integer, a count, or None; received 0."
    said = message(checks.check_number, "part", 1.5, "[0, 1]", "a share")
    assert said == "`part` must be a number in [0, 1], a share; received 1.5."
    said = message(checks.check_number, "norm", 0, "(0, inf)")
    assert said == "`norm` must be a finite number above 0; received 0."
    said = message(checks.check_number, "penalty", -1, "[0, inf)")
    assert said == "`penalty` must be a finite number of at least 0; received -1."
    said = message(checks.check_one_of, "mode", "c", ("a", "b"))
    assert said == "`mode` must be one of 'a', 'b'; received 'c'."


def test_what_fits_is_accepted():
    for given in (1, np.int64(7), np.uint8(2)):
        checks.check_positive_integer("n", given, "a count")
    checks.check_positive_integer("n", None, "a count", or_none=True)
    for given in (0, 0.0, np.float32(0.5), 1):
        checks.check_number("x", given, "[0, 1]")
    checks.check_number("x", 1e300, "(0, inf)")
    checks.check_one_of("mode", None, ("a", None))


@pytest.mark.parametrize(
    ("interval", "outside"),
    [("[0, 1)", (-0.1, 1)), ("(0, 1]", (0, 1.1)), ("(0, inf)", (0,)), ("[0, inf)", (-0.1,))],
)
def test_ends_of_an_interval(interval, outside):
    for given in (*outside, float("nan"), float("inf"), True, "1", None):
        assert repr(given) in message(checks.check_number, "x", given, interval)


CELL = rnnlayers.GRUCell(4)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: rnnlayers.LSTM(True), "units"),
        (lambda: rnnlayers.LSTM(4, truncate=True), "truncate"),
        (lambda: rnnlayers.LSTM(4, remat=True), "remat"),
        (lambda: rnnlayers.LSTM(4, dropout=False), "dropout"),
        (lambda: rnnlayers.LSTM(4, recurrent_dropout=False), "recurrent_dropout"),
        (lambda: rnnlayers.Recurrent(CELL, truncate=True), "truncate"),
        (lambda: rnnlayers.AdditiveAttention(True), "units"),
        (lambda: rnnlayers.AttentionCell(CELL, units=True), "units"),
        (lambda: BeamSearch(True), "num_beams"),
        (lambda: BeamSearch(2, num_return=True), "num_return"),
        (lambda: BeamSearch(2, length_penalty=True), "length_penalty"),
        (lambda: Sampling(temperature=True), "temperature"),
        (lambda: Sampling(top_k=True), "top_k"),
        (lambda: Sampling(top_p=True), "top_p"),
        (lambda: Sampling(seed=True), "seed"),
        (lambda: ClipByNorm(True), "max_norm"),
    ],
)
def test_a_boolean_is_no_number(make, name):
    with refused(f"`{name}` must be", "received True" if name[-7:] != "dropout" else "False"):
        make()


@pytest.mark.parametrize(
    ("option", "value"),
    [("min_length", True), ("stop_token_id", True), ("forbidden_tokens", [False])],
)
def test_a_boolean_is_no_length_and_no_token(option, value):
    def step(tokens, states):
        return tf.zeros((tf.shape(tokens)[0], 5)), states

    options = {"stop_token_id": 1, "max_length": 3, "sampler": Greedy()}

    with refused(f"`{option}`", "True" if value is True else "False"):
        decode(step, (), [0], **{**options, option: value})
