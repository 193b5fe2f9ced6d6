"""`overopt judge`: policies of your own, measured from the command line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from overopt.estimators.tables import ending_of, write_table
from overopt.util.errors import UserError
from overopt.util.quiet import quiet_transformers


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
    gold_read: HowRead = HowRead(),
    proxy_read: HowRead = HowRead(),
) -> None:
    """`overopt judge`: models by name, prompts and table as files. See `overopt.cli.commands.judge` for each argument.

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
    from overopt.models.pretrained import load_policy, read_prompts
    from overopt.models.text_reward import RewardModel
    from overopt.rewards.judge import measure

    texts = read_prompts(prompts)
    torch_device = make_runtime(device).device
    base_policy, tokenizer = load_policy(base, torch_device)
    scorers = {"gold": RewardModel(gold, torch_device, **asdict(gold_read))}
    if proxy:
        scorers["proxy"] = RewardModel(proxy, torch_device, **asdict(proxy_read))
    table = measure(
        {name: partial(load_policy, name, torch_device) for name in policies},
        base_policy,
        tokenizer,
        texts,
        scorers,
        samples=samples,
        completion_tokens=tokens,
        seed=seed,
        batch=batch,
        chat=chat,
        progress=lambda name: print(f"measuring {name}", flush=True),
        show=lambda line: print(line, flush=True),
    )
    write_table(table, out)
    print(f"{table.height} policies, the base one first, on {len(texts)} prompts x {samples} samples: {out}")
