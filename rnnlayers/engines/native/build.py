"""Build the native engine: `python rnnlayers/engines/native/build.py`.

It needs a C++17 compiler, GCC or Clang, and nothing else: neither TensorFlow nor this library.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "src"
BINARY = HERE / "rnnlayers_native.so"

# No -ffast-math: it would fold away the constants that round in `exp`.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-Wall", "-Wextra")
HIDDEN = ("-fvisibility=hidden",)
# The library of TensorFlow that has the C interface. An empty one of this name is linked in its
# place: when the engine is loaded, the real one is in the process.
TENSORFLOW = "libtensorflow_framework.so.2"
LINK = ("-shared", "-static-libstdc++", "-static-libgcc", "-pthread", "-Wl,--gc-sections", "-s")
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "x86_64": {
        "avx512": ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"),
        "avx2": ("-mavx2", "-mfma"),
        "baseline": (),
    },
    "aarch64": {"baseline": ()},
}


def find_compiler() -> str | None:
    """Return the C++ compiler of this machine, or None: `$CXX` or a usual name."""
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def commands(
    compiler: str, machine: str, folder: Path, flags: Sequence[str] = FLAGS
) -> tuple[list[list[str]], list[str]]:
    """Return the commands that compile, which may run together, and the object files.

    Args:
        compiler: The compiler.
        machine: A key of `TARGETS`.
        folder: Where the object files go.
        flags: For the compiler.
    """
    jobs, objects = [], []
    for target, features in TARGETS[machine].items():
        objects.append(str(folder / f"kernels_{target}.o"))
        define = f"-DRNN_TARGET={target}"
        source = str(SOURCES / "kernels.cc")
        jobs.append([compiler, *flags, *features, define, "-c", source, "-o", objects[-1]])
    for name in ("memory", "pool", "targets"):
        objects.append(str(folder / f"{name}.o"))
        jobs.append([compiler, *flags, "-c", str(SOURCES / f"{name}.cc"), "-o", objects[-1]])
    return jobs, objects


def is_current(binary: Path = BINARY) -> bool:
    """Return whether a binary is newer than its sources."""
    sources = [Path(__file__), *SOURCES.iterdir()]
    newest = max(source.stat().st_mtime for source in sources)
    return binary.exists() and binary.stat().st_mtime > newest


def build(binary: Path = BINARY) -> str | None:
    """Build the engine, and return the reason in words if it cannot be built here.

    Args:
        binary: The file to write.
    """
    if os.environ.get("RNNLAYERS_NATIVE") == "0":
        return "RNNLAYERS_NATIVE=0 leaves it out"
    machine = platform.machine()
    if sys.platform != "linux" or machine not in TARGETS:
        return f"it is for Linux on {' or '.join(TARGETS)}, and this is {sys.platform} on {machine}"
    compiler = find_compiler()
    if compiler is None:
        return "there is no C++ compiler; install g++ or name one in CXX"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs, objects = commands(compiler, machine, folder, (*FLAGS, *HIDDEN))
        objects.append(str(folder / "ops.o"))
        jobs.append([compiler, *FLAGS, *HIDDEN, "-c", str(SOURCES / "ops.cc"), "-o", objects[-1]])
        running = [subprocess.Popen(job) for job in jobs]  # noqa: S603
        failures = [process.wait() for process in running]
        if any(failures):
            return f"{compiler} failed, see above"
        unfinished = binary.with_suffix(".unfinished")
        empty = str(folder / TENSORFLOW)
        stub = [compiler, "-shared", "-nostdlib", f"-Wl,-soname,{TENSORFLOW}", "-o", empty]
        subprocess.run([*stub, "-x", "c++", os.devnull], check=True)  # noqa: S603
        link = [compiler, *objects, "-Wl,--no-as-needed", empty, *LINK, "-o", str(unfinished)]
        if subprocess.run(link, check=False).returncode:  # noqa: S603
            return f"{compiler} could not link it, see above"
        unfinished.replace(binary)  # in one step: a process may be loading the old one
    return None


if __name__ == "__main__":
    reason = None if is_current() else build()
    print(f"Native engine: {BINARY if reason is None else f'not built, since {reason}'}")
