"""`python -m benchmarks [CASE ...]`: measure, print a table, renew the rows in latest.json beside this file.

Each case runs in a process of its own: gigabytes that one leaves on the heap slow the small models of the next, by up to
a third, and what they are measured against has a process of its own too.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from transformers.utils import logging

from benchmarks import cases, training

CASES = {
    "sampling": cases.sampling,
    "scoring": cases.scoring,
    "best-of-n": cases.best_of_n,
    "ppo": training.ppo,
    "proxies": training.proxies,
}
LATEST = Path(__file__).with_name("latest.json")


def main() -> None:
    """One thread, as in a worker of a study; the load says whether something else was running."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; all if none is named")
    chosen = parser.parse_args().cases or list(CASES)
    if unknown := sorted(set(chosen) - set(CASES)):
        parser.error(f"found {', '.join(unknown)}, expected some of {', '.join(CASES)}")
    if len(chosen) > 1:
        for name in chosen:
            subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)
    else:
        measure(chosen[0])


def measure(case: str) -> None:
    """Measure one case here, print its rows and keep them."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(f"threads {torch.get_num_threads()}, load {os.getloadavg()[0]:.2f}, cores {os.cpu_count()}")
    print(f"{'ratio':>6} {'least':>6} {'most':>6} {'target':>6} {'roof':>5} {'load':>5}  what", flush=True)
    found = []
    for row in CASES[case]():
        found.append(asdict(row))
        target = "" if row.target is None else f"{row.target:.1f}"
        roof = "" if row.roofline_share is None else f"{row.roofline_share:.2f}"
        print(
            f"{row.ratio:6.2f} {row.ratio_min:6.2f} {row.ratio_max:6.2f} {target:>6} {roof:>5} "
            f"{os.getloadavg()[0]:5.2f}  {row.name}, against {row.against} ({row.seconds:.3g} s)",
            flush=True,
        )
    keep(case, found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB; written to {LATEST}", flush=True)


def keep(case: str, rows: list[dict[str, object]]) -> None:
    """Put the rows of a case into latest.json, where those of other cases stay."""
    known = json.loads(LATEST.read_text()) if LATEST.exists() else []
    others = [row for row in known if row["case"] != case]
    LATEST.write_text(json.dumps([*others, *({"case": case, **row} for row in rows)], indent=1) + "\n")


if __name__ == "__main__":
    main()
