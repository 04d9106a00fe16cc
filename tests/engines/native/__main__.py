"""Build the tests of the kernels with sanitizers and run them: `make test-native`."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rnnlayers.engines.native import build

HERE = Path(__file__).parent
FLAGS = ("-std=c++17", "-O1", "-g", "-ffp-contract=fast", "-fno-math-errno", "-Wall", "-Wextra")
SANITIZERS = ("address,undefined", "thread")
# Where these are installed, what another machine would run is tested too.
FOREIGN = {"aarch64": ("aarch64-linux-gnu-g++", "qemu-aarch64-static")}


def build_tests(
    compiler: str, machine: str, folder: Path, flags: Sequence[str], link: Sequence[str] = ()
) -> Path | None:
    """Build the program of the tests; return it, or None if the compiler fails."""
    jobs, objects = build.commands(compiler, machine, folder, flags)
    program, source = folder / "kernels_test", HERE / "kernels_test.cc"
    objects.append(str(folder / "kernels_test.o"))
    include = f"-I{build.SOURCES}"
    jobs.append([compiler, *flags, include, "-c", str(source), "-o", objects[-1]])
    running = [subprocess.Popen(job) for job in jobs]
    if any([process.wait() for process in running]):  # noqa: C419 - wait for all
        return None
    command = [compiler, *flags, *link, *objects, "-pthread", "-o", str(program)]
    return None if subprocess.run(command, check=False).returncode else program


def run_sanitized(sanitizers: str, compiler: str, folder: Path) -> bool:
    """Run the tests with sanitizers for each target; return whether all is well.

    Threads depend neither on the target nor on the sizes, so one target and a few sizes are enough
    to look for their races.
    """
    flags = (*FLAGS, f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all")
    machine = platform.machine()
    program = build_tests(compiler, machine, folder, flags)
    if program is None:
        return False
    done = True
    targets = ["baseline"] if sanitizers == "thread" else list(build.TARGETS[machine])
    for target in targets:
        print(f"{sanitizers}: {target}", flush=True)
        environment = {**os.environ, "RNNLAYERS_NATIVE_TARGET": target}
        command = [str(program), *["quick"] * (sanitizers == "thread")]
        done &= subprocess.run(command, env=environment, check=False).returncode == 0
    return done


def run_foreign(machine: str, compiler: str, emulator: str, folder: Path) -> bool:
    """Run the tests as another machine does, as they are compiled for users."""
    print(f"{machine}, emulated", flush=True)
    program = build_tests(compiler, machine, folder, build.FLAGS, ["-static"])
    return (
        program is not None
        and subprocess.run([emulator, str(program)], check=False).returncode == 0
    )


def main() -> int:
    """Run all sanitizers, and the machines that can be emulated."""
    compiler = build.find_compiler()
    if compiler is None or platform.machine() not in build.TARGETS:
        print("There is no C++ compiler, or no target for this machine.", file=sys.stderr)
        return 2
    results = []
    for sanitizers in SANITIZERS:
        with tempfile.TemporaryDirectory() as folder:
            results.append(run_sanitized(sanitizers, compiler, Path(folder)))
    for machine, tools in FOREIGN.items():
        if machine != platform.machine() and all(map(shutil.which, tools)):
            with tempfile.TemporaryDirectory() as folder:
                results.append(run_foreign(machine, *tools, Path(folder)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
