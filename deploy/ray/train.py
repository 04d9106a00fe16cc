"""Train on a Ray cluster: each of its workers runs the same command of an application.

    ray job submit --working-dir . -- \
        python deploy/ray/train.py --workers 4 --storage /shared/ray \
        apps.NAME train --source /data --run /shared/runs/first

The machines need what `pip install --editable . --group apps --group ray` installs, the data under
one path, and a folder of the run that all of them reach. Ray Train's `TensorflowTrainer` places the
workers and tells each its `TF_CONFIG`, as TensorFlow defines it. The training is a process of its
own, since TensorFlow must not have started before the workers have met; it ends with its worker. If
a worker fails, Ray starts all of them again, and the training goes on after the last epoch that is
complete.
"""

import argparse
import os
import subprocess
import sys

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def train(config: dict) -> None:
    """Run the command in this worker of Ray.

    Raises:
        RuntimeError: If it fails, with the last line that it has written to standard error.
    """
    pipe, kept_open = os.pipe()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),  # where this worker finds the application
        "RNNLAYERS_WORKER_THREADS": str(config["cpus"]),
        "RNNLAYERS_LIFELINE": str(pipe),  # it closes when this worker ends
    }
    command = [sys.executable, "-m", *config["command"]]
    ended = subprocess.run(  # noqa: S603 (the user's own command)
        command, env=environment, pass_fds=[pipe], stderr=subprocess.PIPE, text=True, check=False
    )
    for end in (pipe, kept_open):
        os.close(end)
    sys.stderr.write(ended.stderr)
    if ended.returncode:
        line = (ended.stderr.splitlines() or ["nothing on standard error"])[-1]
        raise RuntimeError(f"the training has ended with status {ended.returncode}: {line}")


def main() -> None:
    """Read the arguments, train, and end with status 1 if that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, required=True, help="processes in all")
    parser.add_argument("--cpus", type=int, default=1, help="processors of each worker")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of each worker")
    parser.add_argument("--storage", help="a folder for Ray that all machines reach")
    parser.add_argument("--restarts", type=int, default=3, help="how often, after a failure")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="apps.NAME train and its options")
    options = parser.parse_args()
    trainer = TensorflowTrainer(
        train,
        train_loop_config={"cpus": options.cpus, "command": options.command},
        scaling_config=ScalingConfig(
            num_workers=options.workers,
            use_gpu=options.gpus > 0,
            resources_per_worker={"CPU": options.cpus, "GPU": options.gpus},
        ),
        run_config=RunConfig(
            storage_path=options.storage,
            failure_config=FailureConfig(max_failures=options.restarts),
        ),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
