"""Commands in two processes that compute together."""

import os
import subprocess
import sys


def launch(*command, **env):
    """`accelerate launch` of two processes, which find no GPU."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += [
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
    ]
    done = subprocess.run(
        [*launcher, *command],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
