"""Another library at work in a process of its own, which does nothing until it is asked for a round."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".venv-bench"
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}


class Trl:
    """Call it to let TRL work for one round of `task`, on one thread, on what lies in `folder`.

    `said`: the latest answer of trl_rounds.py. Leaving the `with` block ends the process.
    """

    said: dict[str, Any]

    def __init__(self, task: str, folder: Path) -> None:
        python = ENVIRONMENT / "bin/python"
        if not python.exists():
            raise RuntimeError(f"{ENVIRONMENT.name}: found none, expected what `make bench` installs there")
        self._log = folder / "log"
        self._process = subprocess.Popen(
            [python, HERE / "trl_rounds.py", task, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("w"),
            text=True,
            env=os.environ | QUIET | {"HF_HOME": str(folder)},
        )

    def __enter__(self) -> "Trl":
        self._listen()
        return self

    def __call__(self) -> None:
        """One round.

        Raises:
            RuntimeError: if the process ends, with the last lines it wrote.
        """
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._listen()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"TRL ended:\n{self._log.read_text()[-2000:]}")
        self.said = json.loads(line)
