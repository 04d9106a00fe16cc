"""Reading of requests: without TensorFlow, within bounds, and where nobody waits for it."""

import asyncio
import json
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as some

from apps.common.signatures import Spec
from apps.serve.errors import ServingError
from apps.serve.json_values import Input
from apps.serve.reading import SMALL, VERY_LARGE, Reader, read
from apps.serve.settings import Limits
from tests.apps.serve.test_json_values import FLOATS, TEXTS

MEMORY = 40  # bytes for each byte of a body, as Python and the parser hold them
SIGNATURES = {
    "serving_default": {"x": Input.of(FLOATS)},
    "texts": {"x": Input.of(TEXTS)},
    "any": {"x": Input.of(Spec(tf.float32, None))},
    "two": {"a": Input.of(TEXTS), "b": Input.of(FLOATS)},
}


def refusal(body, limits=None):
    with pytest.raises(ServingError) as refused:
        read(body, "predict", SIGNATURES, limits or Limits())
    assert refused.value.status == 400
    return str(refused.value)


def test_the_process_that_reads_needs_no_tensorflow():
    program = "import sys, apps.serve.reading; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"


# A small unit of JSON that is repeated, in a shape around it.
UNITS = some.recursive(
    some.sampled_from(["0", "1.5", "-1e9", "null", "true", "NaN", '""', '"a"', '"\\\\u00e9"'])
    | some.integers(-(10**18), 10**18).map(str)
    | some.text(max_size=8).map(json.dumps),
    lambda inner: (
        some.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | some.lists(inner, max_size=3).map(
            lambda items: "{" + ",".join(f'"{n}":{item}' for n, item in enumerate(items)) + "}"
        )
        | inner.map(lambda item: f'{{"b64":{item}}}')
    ),
    max_leaves=4,
)
AROUND = some.sampled_from(
    [
        '{"signature_name":"%s","instances":[%s]}',
        '{"signature_name":"%s","instances":[[%s]]}',
        '{"signature_name":"%s","inputs":{"x":[%s]}}',
        '{"signature_name":"%s","inputs":[%s],"other":1}',
        '{"signature_name":"%s","other":[%s]}',
    ]
)
LONG = "x" * 50_000


@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_body_takes_more_than_its_share_of_memory_or_time(count):
    @settings(max_examples=count, deadline=None)
    @given(UNITS, AROUND, some.sampled_from([*SIGNATURES]), some.sampled_from(["", f',"{LONG}"']))
    def check(unit, around, signature, last):
        units = ",".join([unit] * (100_000 // (len(unit) + 1))) + last
        body = (around % (signature, units)).encode("utf-8", "surrogatepass")
        began = time.process_time()
        tracemalloc.start()
        reason = ""
        try:
            read(body, "predict", SIGNATURES, Limits(max_rows=10**6))
        except ServingError as error:
            reason = f"{error.status}: {error}"
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert reason == "" or reason.startswith("400: ")
        assert len(reason) < 300
        assert peak <= MEMORY * len(body) + 100_000
        assert time.process_time() - began < 2

    check()


@pytest.mark.parametrize("inner", ["", "1", "NaN", '"a"', "{}"])
@pytest.mark.parametrize("deep", [20, 250, 900, 1000, 1100, 50_000])
@pytest.mark.parametrize("signs", ["[]", "{}"])
def test_nesting_is_answered_with_a_reason(inner, deep, signs):
    opening = signs[0] if signs == "[]" else '{"a":'
    body = opening * deep + (inner or ("1" if signs == "{}" else "")) + signs[1] * deep
    for around in ('{"instances": %s}', '{"instances": [%s]}', '{"inputs": {"x": %s}}', "%s"):
        assert refusal((around % body).encode())


def test_what_a_request_may_cost_is_said():
    limits = Limits(max_values=100, max_rows=50)
    rows = {"signature_name": "any", "instances": [[0] * 25] * 4}
    assert read(json.dumps(rows).encode(), "predict", SIGNATURES, limits).inputs["x"].size == 100
    rows["instances"] = [[0] * 26] * 4
    assert "x may have at most 100 values (rows x steps) in a request; received 104" in refusal(
        json.dumps(rows).encode(), limits
    )
    lists = json.dumps({"signature_name": "any", "instances": [[[0]] * 10] * 5}).encode()
    assert "at most 50 lists and objects" in refusal(lists, limits)
    for verb in ("classify", "regress"):
        examples = json.dumps({"examples": [{"x": 1}] * 4}).encode()
        with pytest.raises(ServingError, match="at most 6 values"):
            read(examples, verb, SIGNATURES, limits)


@pytest.mark.parametrize("size", [SMALL // 2, 2 * SMALL, 2 * VERY_LARGE])
def test_bodies_of_all_sizes_are_read_alike(size):
    texts = ["é" * 50, "", *["x"] * (size // 4 // 2)]
    document = {"signature_name": "two", "inputs": {"a": texts, "b": [[1, 2.5]] * len(texts)}}
    body = json.dumps(document).encode()
    limits = Limits(max_rows=10**6, max_values=2**25)

    async def both():
        reader = Reader(limits)
        try:
            found = await reader([body[:1000], body[1000:]], "predict", SIGNATURES)
            with pytest.raises(ServingError) as refused:
                await reader([body.replace(b"2.5", b"{}", 1)], "predict", SIGNATURES)
        finally:
            await reader.close()
        return found, refused.value

    found, refused = asyncio.run(both())
    assert found.signature == "two"
    assert not found.by_row
    assert found.inputs["a"].tolist() == [text.encode() for text in texts]
    assert found.inputs["a"].dtype == object
    np.testing.assert_array_equal(found.inputs["b"], [[1, 2.5]] * len(texts))
    assert found.inputs["b"].dtype == "float32"
    assert (refused.status, str(refused)) == (400, "b: {} is not of expected type: float32")


def test_a_process_that_has_ended_is_replaced():
    """The system ends one if memory is short, and the server when nobody waits for it."""
    body = json.dumps({"instances": [[1, 2]] * (SMALL // 4)}).encode()

    async def check():
        reader = Reader(Limits(max_rows=10**6))
        try:
            await reader([body], "predict", SIGNATURES)
            helper = reader.helpers[False]
            helper.process.kill()
            with pytest.raises(ServingError) as refused:
                await reader([body], "predict", SIGNATURES)
            assert refused.value.status == 503
            await reader([body], "predict", SIGNATURES)
            process = helper.process
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await reader([body], "predict", SIGNATURES)
            assert process.returncode is not None
            found = await reader([body], "predict", SIGNATURES)
            assert found.inputs["x"].shape == (SMALL // 4, 2)
        finally:
            await reader.close()

    asyncio.run(check())
