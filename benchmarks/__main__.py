"""`python -m benchmarks`: measure every case, print a table, write latest.json beside this file."""

import json
import os
import resource
from dataclasses import asdict
from pathlib import Path

import torch
from transformers.utils import logging

from benchmarks import cases


def main() -> None:
    """One thread, as in a worker of a study; the load says whether something else was running."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(f"threads {torch.get_num_threads()}, load {os.getloadavg()[0]:.2f}, cores {os.cpu_count()}")
    print(f"{'ratio':>6} {'least':>6} {'most':>6} {'target':>6} {'roof':>5} {'load':>5}  what")
    found = []
    for case in (cases.sampling, cases.scoring, cases.best_of_n):
        for row in case():
            found.append(asdict(row))
            roof = "" if row.roofline_share is None else f"{row.roofline_share:.2f}"
            print(
                f"{row.ratio:6.2f} {row.ratio_min:6.2f} {row.ratio_max:6.2f} {row.target or 0:6.1f} {roof:>5} "
                f"{os.getloadavg()[0]:5.2f}  {row.name}, against {row.against} ({row.seconds:.3g} s)",
                flush=True,
            )
    path = Path(__file__).with_name("latest.json")
    path.write_text(json.dumps(found, indent=1) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB; written to {path}")


if __name__ == "__main__":
    main()
