"""Quiet libraries, by what they read from the environment when they are first imported."""

import os


def quiet_transformers() -> None:
    """No progress bars for files that load in a moment, no advice that is meant for others.

    For this process, if it has not imported transformers yet, and for those that it starts.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
