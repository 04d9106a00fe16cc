"""Several processes: what a sum over them costs, and what a training step gains."""

from collections.abc import Sequence

from benchmarks.collectives import GRADIENTS, NETWORKS, SMALL, started
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, at_least, find

SIZES = (1, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22)  # float32 numbers
STEPS = 16  # of a network, in a round
ROUNDS = 9


def measure(bench: Bench) -> list[Row]:
    """Time sums on two processes, then networks on one process and on two, in turn."""
    sizes, steps = (SIZES[:2], 2) if bench.quick else (SIZES, STEPS)
    rounds = min(ROUNDS, bench.plan.rounds)
    rows = []
    names = [*map(str, sizes), "apart", "joined"]
    with started("sums", 2, ",".join(names), threads=1) as pair:
        seconds: list[list[float]] = [[] for _ in names]
        for _ in range(rounds):
            for place, each in enumerate(seconds):
                each.append(pair.time(place)[0])
    *single, apart, joined = seconds
    for size, each in zip(sizes, single, strict=True):
        rows.append(Row("A sum over two processes", f"{4 * size:,} bytes", {"one": each}))
    case = f"{GRADIENTS} gradients of {4 * SMALL:,} bytes"
    rows.append(Row("Buckets", case, {"apart": apart, "joined": joined}))
    for network in NETWORKS:
        with (
            started(network, 1, str(steps), threads=2) as one,
            started(network, 2, str(steps), threads=1) as two,
        ):
            times = [(one.time(0), two.time(0)) for _ in range(rounds)]
        for kind, case in enumerate((network, f"{network}, seconds of processors")):
            alone, both = ([pair[who][kind] for pair in times] for who in (0, 1))
            rows.append(Row("A training step", case, {"one": alone, "two": both}))
    return [bench.tell(row, SUITE.unit) for row in rows]


def check(rows: Sequence[Row]) -> list[Check]:
    """Ask for nine tenths of the throughput of one process with as many threads."""
    words = "two processes of one thread relative to one of two threads"
    return [
        at_least(f"{network}: {words}", find(rows, network).ratio("one", "two"), 0.9)
        for network in NETWORKS
    ]


SUITE = Suite(
    about="Sums over two processes of this machine (`rnnlayers.distribute`, gRPC on the loopback "
    "device), each with one thread, by the size of what is summed; small gradients in an operation "
    "each (`apart`) and in a bucket (`joined`); and the training steps of `apps.sentiment` with 64 "
    "texts and `apps.captioning` with 32 images, on one process with two threads (`one`) and on "
    "two processes with one thread each (`two`), which do their rounds in turn. Seconds of "
    "processors say what a busy machine hides.",
    measure=measure,
    ratios=[Ratio("one / two", "one", "two"), Ratio("apart / joined", "apart", "joined")],
    check=check,
)
