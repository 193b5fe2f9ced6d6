"""`python -m benchmarks.scores`: seconds and memory that `overopt bon` takes for ten million scores on one core.

Writes scores.json beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROWS, PROMPTS = 10_000_000, 1000
FOUND = Path(__file__).with_name("scores.json")
ONE_CORE = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
FORMS = ("scores.csv", "scores.parquet")


def write_scores(folder: Path) -> None:
    """Normal gold, and a proxy with as much noise; the samples of a prompt lie scattered over the file."""
    rng = np.random.default_rng(0)
    gold = rng.normal(size=ROWS)
    prompts = pl.Series([f"prompt {k}" for k in range(PROMPTS)]).gather(np.arange(ROWS) % PROMPTS)
    table = pl.DataFrame({"prompt": prompts, "gold": gold, "proxy": gold + rng.normal(size=ROWS)})
    table.write_csv(folder / "scores.csv")
    table.write_parquet(folder / "scores.parquet")


def measure(scores: Path) -> dict[str, float]:
    """One run of the command: seconds by the clock and of the processor, and its peak memory."""
    command = [
        sys.executable,
        "-m",
        "overopt",
        "bon",
        str(scores),
        "--out",
        str(scores.with_name("curves.csv")),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | ONE_CORE)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"overopt bon {scores}: failed")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def main() -> None:
    """Each form of file once."""
    if sys.argv[1:]:
        write_scores(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.scores", folder], check=True
        )  # its memory is not ours
        found = {"scores": ROWS, "prompts": PROMPTS, "load": round(os.getloadavg()[0], 2)}
        found |= {name: measure(Path(folder) / name) for name in FORMS}
    FOUND.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
