"""`overopt judge`: policies of your own, measured from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from overopt.estimators.tables import ending_of, write_table
from overopt.util.errors import UserError
from overopt.util.quiet import quiet_transformers

KEPT = "overopt-kept"  # beside the table, for all tables of that folder


def judge_command(
    policies: Sequence[str],
    *,
    base: str,
    gold: str,
    prompts: Path,
    out: Path,
    proxy: str | None,
    samples: int,
    tokens: int,
    chat: bool,
    seed: int,
    device: str,
    batch: int,
    sampler: Literal["transformers", "vllm"] = "transformers",
) -> None:
    """`overopt judge`: models by name, prompts and table as files. See `overopt.cli.commands.judge` for each argument.

    Samples and scores are kept in a folder beside `out`, and not made again.

    Raises:
        UserError: as `measure`; if a model or the prompts cannot be read, a count is below 1, or `out` cannot be written.
    """
    for name, count in {"samples": samples, "tokens": tokens, "batch": batch}.items():
        if count < 1:
            raise UserError(f"{name}: found {count}, expected at least 1")
    ending_of(out)  # before the work, not after it
    if not out.absolute().parent.is_dir():
        raise UserError(f"{out}: found no folder {out.absolute().parent}, expected one to write into")
    quiet_transformers()  # before it is imported
    from overopt.engine.runner import make_runtime
    from overopt.models.pretrained import read_prompts
    from overopt.rewards.judge_run import JudgeRun
    from overopt.rewards.judge_stages import Question
    from overopt.util import processes

    texts = read_prompts(prompts)
    runtime = make_runtime(device, batch=batch)
    question = Question(texts, samples, tokens, chat=chat, seed=seed, sampler=sampler)
    kept = out.parent / KEPT
    judges = {"gold": gold} | ({"proxy": proxy} if proxy else {})
    asked = JudgeRun(list(dict.fromkeys(policies)), base, judges, question, kept)
    count = len(asked.policies)
    if processes.is_first():
        print(
            f"{asked.there()} of {count} policies are measured already: samples and scores are kept in {kept}",
            flush=True,
        )
    table = asked.table(runtime)
    if processes.is_first():
        write_table(table, out)
        print(f"{count} policies, the base one first, on {len(texts)} prompts x {samples} samples: {out}")
