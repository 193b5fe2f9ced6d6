"""`overopt judge`: policies of your own, measured from the command line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from overopt.estimators.tables import ending_of, write_table
from overopt.util.errors import UserError
from overopt.util.quiet import quiet_transformers

KEPT = "overopt-kept"  # beside the table, for all tables of that folder


@dataclass(frozen=True)
class HowRead:
    """What a reader says of a reward model: see `overopt.models.text_reward.RewardModel`."""

    reads: str = "auto"
    ends: str = "auto"
    logit: str | None = None


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
    gold_read: HowRead = HowRead(),
    proxy_read: HowRead = HowRead(),
) -> None:
    """`overopt judge`: models by name, prompts and table as files. See `overopt.cli.commands.judge` for each argument.

    Samples and scores are kept in a folder beside `out`, and not made again.

    Raises:
        UserError: as `measure`; if a model or the prompts cannot be read, a count is below 1, `out` cannot be written,
            or it is said how a proxy reads and not which.
    """
    for name, count in {"samples": samples, "tokens": tokens, "batch": batch}.items():
        if count < 1:
            raise UserError(f"{name}: found {count}, expected at least 1")
    ending_of(out)  # before the work, not after it
    if proxy is None and proxy_read != HowRead():
        raise UserError("proxy: found how it reads but no proxy, expected one: --proxy NAME")
    if not out.absolute().parent.is_dir():
        raise UserError(f"{out}: found no folder {out.absolute().parent}, expected one to write into")
    quiet_transformers()  # before it is imported
    from overopt.engine.runner import make_runtime
    from overopt.models.pretrained import read_prompts
    from overopt.rewards.judge_question import Judge, Question
    from overopt.rewards.judge_run import JudgeRun
    from overopt.util import processes

    texts = read_prompts(prompts)
    runtime = make_runtime(device, batch=batch)
    question = Question(texts, samples, tokens, chat=chat, seed=seed, sampler=sampler)
    judges = {"gold": Judge(gold, **asdict(gold_read))}
    if proxy:
        judges["proxy"] = Judge(proxy, **asdict(proxy_read))

    def show(line: str) -> None:
        print(line, flush=True)

    kept = out.parent / KEPT
    asked = JudgeRun(list(dict.fromkeys(policies)), base, judges, question, kept, show=show)
    count = len(asked.policies)
    if processes.is_first():
        there = f"{asked.there()} of {count} policies are measured already"
        print(f"{there}: samples and scores are kept in {kept}", flush=True)
    table = asked.table(runtime)
    if processes.is_first():
        write_table(table, out)
        print(f"{count} policies, the base one first, on {len(texts)} prompts x {samples} samples: {out}")
