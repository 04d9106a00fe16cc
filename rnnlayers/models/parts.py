"""The parts of an encoder-decoder: what they must be."""

from collections.abc import Sequence
from typing import Any

import keras

from rnnlayers.checks import check_number, check_positive_integer
from rnnlayers.models.decoder_layers import Attending, OverTime, part_of


def check_head(head: Any, embedding: Any) -> None:
    """Raise a ValueError unless a head or the embedding can make logits."""
    reversible = getattr(keras.layers, "ReversibleEmbedding", ())  # from Keras 3.11 on
    if head is None and not isinstance(embedding, reversible):
        raise ValueError(
            "`head` may be None only if `embedding` is a `keras.layers.ReversibleEmbedding`; "
            f"received {embedding!r}. Pass a head, such as Dense(vocabulary)."
        )


def check_ids(start_token_id: int, stop_token_id: int, pad_token_id: int) -> None:
    """Raise a ValueError unless the three ids differ."""
    if len({start_token_id, stop_token_id, pad_token_id}) < 3:
        raise ValueError(
            "`start_token_id`, `stop_token_id` and `pad_token_id` must be three different ids; "
            f"received {start_token_id}, {stop_token_id} and {pad_token_id}."
        )


def check_sampling(sampling_rate: Any, sampling_passes: Any) -> None:
    """Raise a ValueError unless these are arguments of scheduled sampling."""
    scheduled = isinstance(sampling_rate, keras.optimizers.schedules.LearningRateSchedule)
    if not scheduled:
        meaning = "the share of tokens to replace, or a Keras LearningRateSchedule"
        check_number("sampling_rate", sampling_rate, "[0, 1]", meaning)
    meaning = "the number of times that predictions are mixed in"
    check_positive_integer("sampling_passes", sampling_passes, meaning)


def check_decoder(decoder: Sequence[Any]) -> None:
    """Raise a ValueError unless these layers make a decoder."""
    parts = [part_of(layer) for layer in decoder]
    attentive = sum(isinstance(part, Attending) for part in parts)
    recurrent = [part.layer for part in parts if isinstance(part, Attending | OverTime)]
    if attentive > 1 or not recurrent:
        raise ValueError(
            "`decoder` must hold recurrent layers, and `AttentiveDecoder` at most once; received "
            f"{list(decoder)}."
        )
    for layer in recurrent:
        config = layer.get_config()
        wrong = {
            name: config[name]
            for name, value in {
                "return_sequences": True,
                "return_state": False,
                "return_attention": False,
                "go_backwards": False,
                "stateful": False,
            }.items()
            if config.get(name, value) != value
        }
        if wrong:
            raise ValueError(
                f"The layer {layer.name!r} of `decoder` must return all its outputs in the order "
                "of time, and nothing else, with return_sequences=True, and return_state, "
                f"return_attention, go_backwards and stateful False; received {wrong}."
            )
