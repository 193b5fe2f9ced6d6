"""What is compared with what. Models have random weights: speed does not depend on what they say."""

from collections.abc import Iterator

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from benchmarks.measure import Ratio, Work, compare, seconds
from overopt.estimators.best_of_n import best_of_n_curve
from overopt.models.build import new_language_model, new_reward_model, train_tokenizer
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import sample
from overopt.rewards.scoring import score
from overopt.study.parts import Shape

VOCABULARY, PROMPT, COMPLETION = 4096, 8, 24
EOS, PAD = 2, 0
SIZES = {
    "1M": Shape(layers=2, width=208, heads=8),
    "4M": Shape(layers=4, width=288, heads=8),
    "15M": Shape(layers=6, width=456, heads=8),
}


def language_model(shape: Shape) -> GPT2LMHeadModel:
    """A model of `shape` with a vocabulary of 4,096 invented tokens."""
    model = new_language_model(shape, train_tokenizer(["one two"], 260), PROMPT + COMPLETION, 0)
    model.resize_token_embeddings(VOCABULARY, mean_resizing=False)
    return model.eval()


def prompts(rows: int) -> Prompts:
    """Random prompts of equal length: what transformers handles best."""
    ids = torch.randint(3, VOCABULARY, (rows, PROMPT), generator=torch.Generator().manual_seed(0))
    return Prompts(ids, torch.ones_like(ids, dtype=torch.bool))


def completions(start: Prompts, draw: torch.Generator) -> Samples:
    """Random completions of 1 to 24 tokens."""
    lengths = torch.randint(1, COMPLETION + 1, (len(start), 1), generator=draw)
    mask = torch.arange(COMPLETION) < lengths
    ids = torch.randint(3, VOCABULARY, mask.shape, generator=draw).masked_fill(~mask, PAD)
    return Samples(start, ids, mask)


def block_sizes(width: int, tokens: int, asked: int) -> list[tuple[int, int, int]]:
    """Rows, inputs and outputs of one block's products: keys and values of all tokens, all else of those asked for."""
    return [
        (tokens, width, 2 * width),
        *[(asked, width, width)] * 2,
        (asked, width, 4 * width),
        (asked, 4 * width, width),
    ]


def pass_sizes(shape: Shape, tokens: int, asked: int, logits: int) -> list[tuple[int, int, int]]:
    """Products of a forward pass over `tokens` tokens, of which `asked` are read off and `logits` get logits."""
    whole = block_sizes(shape.width, tokens, tokens) * (shape.layers - 1)
    head = [(logits, shape.width, VOCABULARY)] if logits else []
    return whole + block_sizes(shape.width, tokens, asked) + head


def products(shape: Shape, tokens: int, asked: int, logits: int) -> Work:
    """The matrix products of a forward pass, see `pass_sizes`, and nothing else."""
    pairs = [
        (torch.rand(rows, left), torch.rand(left, right))
        for rows, left, right in pass_sizes(shape, tokens, asked, logits)
    ]

    def run() -> None:
        for left, right in pairs:
            left @ right

    return run


def sampling() -> Iterator[Ratio]:
    """Completions of 24 tokens (few of these random models end sooner) at temperature 1."""
    for name, target in (("1M", 2.0), ("4M", 1.5), ("15M", 1.2)):
        for batch in (256, 1024):
            yield _sampling(name, batch, target)


@torch.inference_mode()
def _sampling(name: str, batch: int, target: float) -> Ratio:
    shape, start, uniforms = SIZES[name], prompts(batch), torch.rand(batch, COMPLETION)
    model = language_model(shape)
    first, step = products(shape, batch * PROMPT, batch, batch), products(shape, batch, batch, batch)

    def theirs() -> object:
        return model.generate(
            start.ids,
            attention_mask=start.mask.long(),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=COMPLETION,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )

    def roofline() -> None:
        first()
        for _ in range(COMPLETION - 1):
            step()

    return compare(
        f"sampling, {name}, batch {batch}",
        "transformers generate",
        lambda: sample(model, start, uniforms, eos=EOS, pad=PAD),
        theirs,
        target=target,
        roofline=roofline,
        rounds={"1M": 5, "4M": 3, "15M": 2}[name],
    )


def scoring() -> Iterator[Ratio]:
    """Rewards of 2,048 completions of 1 to 24 tokens, against padded batches in the order they came.

    Once of as many prompts, once of 64 prompts: in a study every prompt has many completions.
    """
    for name in SIZES:
        for each in (1, 32):
            yield _scoring(name, each)


@torch.inference_mode()
def _scoring(name: str, each: int, rows: int = 2048) -> Ratio:
    start = prompts(rows // each)[torch.arange(rows // each).repeat_interleave(each)]
    samples = completions(start, torch.Generator().manual_seed(0))
    model = new_reward_model(language_model(SIZES[name]), 0).eval()

    def theirs() -> None:
        whole, inside = samples.sequence()
        for part in torch.arange(rows).split(256):
            model(input_ids=whole[part], attention_mask=inside[part].long())

    return compare(
        f"scoring, {name}" + (f", {each} of a prompt" if each > 1 else ""),
        "transformers forward, padded and unsorted",
        lambda: score(model, samples),
        theirs,
        target=1.5,
        roofline=products(SIZES[name], int(samples.mask.sum()) + rows // each * PROMPT, rows, 0),
        rounds=3,
    )


def best_of_n() -> Iterator[Ratio]:
    """Curves of 20 proxies over 64 prompts of 65,536 samples, against Monte-Carlo: the best of n drawn samples, repeated.

    Repeats that draw from the same samples add their own error to that of the samples, so that the standard error is
    never quite that of the estimator over all subsets. `errors_apart`: how much larger it may be. At every n the repeats
    it takes follow from the variance of one repeat over that of our estimate, both over prompts, which are alike here.
    Repeats are timed for one proxy, as many as draw a few million samples.
    """
    rng = np.random.default_rng(0)
    proxies, n_prompts, samples = 20, 64, 65_536
    gold = rng.normal(size=(n_prompts, samples)).astype(np.float32)
    scores = [gold + rng.normal(size=gold.shape).astype(np.float32) for _ in range(3)]
    ns = [2**k for k in range(17)]
    curves = [best_of_n_curve(proxy, gold, ns) for proxy in scores]
    taken = [seconds(lambda proxy=proxy: best_of_n_curve(proxy, gold, ns)) for proxy in scores]
    ours = np.array([min(taken), np.median(taken), max(taken)]) * proxies
    draws = 0.0  # seconds of one repeat times the repeats of an equal error, over all n
    for row, n in enumerate(ns):
        repeats = max(2, 2**16 // n)
        bests = np.empty((repeats, n_prompts))
        each = seconds(lambda n=n, bests=bests: _best_of_draws(scores[0], gold, n, bests, rng)) / repeats
        error = np.mean([curve[row].gold_by_prompt.var(ddof=1) for curve in curves])
        draws += each * float(bests.var(ddof=1)) / error
    for name, errors_apart in (("within 5% of ours", 0.05), ("1.41 times ours", 2**0.5 - 1)):
        theirs = draws / ((1 + errors_apart) ** 2 - 1) * proxies
        least, middle, most = (round(float(theirs / own), 1) for own in ours[::-1])
        yield Ratio(
            "best-of-n curves, 20 proxies x 64 prompts x 65,536 samples",
            f"Monte-Carlo from the same samples, standard error {name}",
            middle,
            least,
            most,
            50.0 if errors_apart < 0.1 else None,
            None,
            round(float(ours[1]), 2),
        )


def _best_of_draws(
    proxy: np.ndarray, gold: np.ndarray, n: int, bests: np.ndarray, rng: np.random.Generator
) -> None:
    """Fill `bests` [repeats, prompts] with the gold score of the best by proxy of `n` samples that are drawn anew."""
    for prompt in range(len(gold)):
        chosen = rng.integers(gold.shape[1], size=(len(bests), n), dtype=np.uint32)
        best = proxy[prompt][chosen].argmax(1)
        bests[:, prompt] = gold[prompt][chosen[np.arange(len(bests)), best]]
