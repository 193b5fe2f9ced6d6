"""A curve from policies that somebody else trained: the KL of each from the base policy, its gold and proxy score.

Whatever optimised them (DPO, GRPO, another library's PPO), what counts is where they ended.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import torch
from jaxtyping import Float64
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.comparable import LoadedPolicy, comparable
from overopt.models.log_probs import sample_kl
from overopt.models.pretrained import Scorer, encode
from overopt.models.reading import check_asked
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.models.text_reward import RewardModel
from overopt.models.vocabulary import ends_of, with_one_end
from overopt.models.written import Reader, scores_of, written
from overopt.rewards.judge_table import Measured, policy_table
from overopt.util.errors import UserError

STREAM = "own policies"  # of the random numbers that all policies share


def measure(
    policies: Mapping[str, Callable[[], LoadedPolicy]],
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    scorers: Mapping[str, Scorer],
    *,
    samples: int,
    completion_tokens: int,
    seed: int = 0,
    batch: int = 64,
    chat: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    show: Callable[[str], None] = lambda line: None,
) -> pl.DataFrame:
    """One row for the base policy, then one for each of `policies`, in their order.

    Every policy answers the same prompts at temperature 1 with the same random numbers. KL is exact at each position of
    its own completions, summed over a completion. Scores are shifted and scaled so that the base policy's samples have
    mean 0 and standard deviation 1, for each scorer alike.

    Args:
        policies: by name, functions that load one, best with its tokenizer (`load_policy`), which is then compared with the
            base policy's; one at a time is held beside the base policy.
        base: where all of them began; same vocabulary.
        tokenizer: of all policies.
        prompts: seen by none of them in training.
        scorers: `gold`, and if there is one `proxy`, what the policies were optimised against.
        samples: completions a prompt.
        completion_tokens: tokens of a completion, at most.
        seed: of the random numbers.
        batch: completions at once; changes no result.
        chat: whether prompts are a user's turn of a chat.
        progress: told which policy is being measured.
        show: told, before a reward model scores anything, how it reads, with one of the base policy's texts as an example.

    Returns:
        Columns `policy, kl, kl_se, kl_k1, kl_k3` (nats), `gold, gold_se` and, with a proxy, `proxy, proxy_se` (base-policy
        SDs), `length` (tokens), `prompts, samples`. Standard errors are over prompts, null with a single one.

    Raises:
        UserError: if there is no gold, a policy cannot be compared (see `comparable`), a prompt is too long, or a score is
            no number; or as `written` and `check_asked`.

    >>> import overopt
    >>> base, tokenizer = overopt.load_policy("sft")
    >>> policies = {"dpo": lambda: overopt.load_policy("dpo-400")}
    >>> scorers = {"gold": overopt.RewardModel("reward-model")}
    >>> table = measure(policies, base, tokenizer, ["The film"], scorers, samples=8, completion_tokens=8)
    >>> table["policy"].to_list(), table["kl"][0]  # nats from the base policy
    (['base', 'dpo'], 0.0)
    """
    if "gold" not in scorers:
        raise UserError(f"scorers: found {', '.join(scorers) or 'none'}, expected gold among them")
    for scorer in scorers.values():
        if isinstance(scorer, RewardModel):
            check_asked(scorer.name, scorer.reading, chat=chat)
    positions = getattr(base.config, "max_position_embeddings", None)
    longest = positions - completion_tokens if positions else 2**31
    encoded = encode(prompts, tokenizer, most=longest, chat=chat)
    prompt_of_sample = [prompt for prompt in prompts for _ in range(samples)]

    def measured() -> Iterator[tuple[str, Measured]]:
        for name, load in {"base": lambda: base, **policies}.items():
            progress(name)
            policy = comparable(name, load(), base, tokenizer, prompts, chat=chat)
            draws = generator(seed, STREAM)
            completions = sample_many(
                policy, encoded, samples, completion_tokens, generator=draws, batch=batch
            )
            kl = sample_kl(policy, base, completions, batch=batch)
            completions = with_one_end(completions, ends_of(base, tokenizer, "base"), tokenizer.eos_token_id)
            texts = written(completions, prompt_of_sample, tokenizer, chat=chat)
            scores = {}
            for kind, scorer in scorers.items():
                if name == "base" and isinstance(scorer, Reader):
                    show(f"{kind}: {scorer.example(texts)}")
                scores[kind] = checked_scores(kind, scores_of(scorer, texts), len(texts))
            yield name, Measured(kl, scores, completions.lengths)

    return policy_table(measured(), len(prompts))


def checked_scores(kind: str, scores: Sequence[float], count: int) -> Float64[np.ndarray, " scores"]:
    """Scores as an array.

    Raises:
        UserError: unless there are `count` of them, all finite.
    """
    numbers = np.asarray(torch.as_tensor(scores, dtype=torch.float64).numpy())
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise UserError(
            f"{kind}: found scores of shape {numbers.shape}, {int((~np.isfinite(numbers)).sum())} of them no "
            f"numbers; expected {count} numbers"
        )
    return numbers
