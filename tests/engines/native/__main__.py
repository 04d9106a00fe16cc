"""Build the tests of the kernels with sanitizers and run them: `make test-native`."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from rnnlayers.engines.native import build

HERE = Path(__file__).parent
FLAGS = ("-std=c++17", "-O1", "-g", "-ffp-contract=fast", "-fno-math-errno", "-Wall", "-Wextra")
SANITIZERS = ("address,undefined", "thread")


def run(sanitizers: str, compiler: str, folder: Path) -> bool:
    """Build one program and run it for each target; return whether all is well.

    Threads depend neither on the target nor on the sizes, so one target and a few sizes are enough
    to look for their races.
    """
    flags = (*FLAGS, f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all")
    machine = platform.machine()
    jobs, objects = build.commands(compiler, machine, folder, flags)
    program, source = folder / "kernels_test", HERE / "kernels_test.cc"
    objects.append(str(folder / "kernels_test.o"))
    include = f"-I{build.SOURCES}"
    jobs.append([compiler, *flags, include, "-c", str(source), "-o", objects[-1]])
    running = [subprocess.Popen(job) for job in jobs]
    if any([process.wait() for process in running]):  # noqa: C419 - wait for all
        return False
    subprocess.run([compiler, *flags, *objects, "-pthread", "-o", str(program)], check=True)
    done = True
    targets = ["baseline"] if sanitizers == "thread" else list(build.TARGETS[machine])
    for target in targets:
        print(f"{sanitizers}: {target}", flush=True)
        environment = {**os.environ, "RNNLAYERS_NATIVE_TARGET": target}
        command = [str(program), *["quick"] * (sanitizers == "thread")]
        done &= subprocess.run(command, env=environment, check=False).returncode == 0
    return done


def main() -> int:
    """Run all sanitizers."""
    compiler = build.find_compiler()
    if compiler is None or platform.machine() not in build.TARGETS:
        print("There is no C++ compiler, or no target for this machine.", file=sys.stderr)
        return 2
    results = []
    for sanitizers in SANITIZERS:
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(sanitizers, compiler, Path(folder)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
