"""The sampler against transformers' own, KL against enumeration, and nothing that padding changes."""

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare

from overopt.models.build import new_reward_model
from overopt.models.fast.next_token import log_probs_of
from overopt.models.log_probs import sample_kl, token_log_probs
from overopt.models.samples import Prompts, Samples, concatenate, decode, encode_prompts
from overopt.models.sampling import sample, sample_many
from overopt.optimisers.ppo import token_values
from overopt.rewards.scoring import score

EOS, PAD = 2, 0
TEXTS = ["The film", "I did not like the end of the film", "She", "It was good, and then"]


def repeated(prompt, count):
    ids = torch.tensor([prompt]).expand(count, -1)
    return Prompts(ids, torch.ones_like(ids, dtype=torch.bool))


def left_padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])
    return Prompts(ids, torch.tensor([[k >= longest - len(row) for k in range(longest)] for row in rows]))


def uniforms(rows, tokens, seed=0):
    return torch.rand(rows, tokens, generator=torch.Generator().manual_seed(seed))


def alone(samples, i):
    """Row i by itself, its padding on both sides cut off."""
    start, length = int((~samples.prompts.mask[i]).sum()), int(samples.mask[i].sum())
    prompts = Prompts(samples.prompts.ids[i : i + 1, start:], samples.prompts.mask[i : i + 1, start:])
    return Samples(prompts, samples.ids[i : i + 1, :length], samples.mask[i : i + 1, :length])


def padded_more(samples, left, right):
    def wider(ids, mask, before, after):
        sizes = (before, after)
        return (
            torch.nn.functional.pad(ids, sizes, value=PAD),
            torch.nn.functional.pad(mask, sizes, value=False),
        )

    prompts = Prompts(*wider(samples.prompts.ids, samples.prompts.mask, left, 0))
    return Samples(prompts, *wider(samples.ids, samples.mask, 0, right))


def generated(model, prompts, tokens, seed):
    """What transformers' own sampler gives: completions with their mask, and the logits they came from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=prompts.ids,
            attention_mask=prompts.mask.long(),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=tokens,
            eos_token_id=EOS,
            pad_token_id=PAD,
            output_logits=True,
            return_dict_in_generate=True,
        )
    ids = output.sequences[:, prompts.ids.shape[1] :]
    after = ((ids == EOS).long().cumsum(-1) - (ids == EOS).long()) > 0
    return Samples(prompts, ids, ~after), torch.stack(output.logits, 1)


@torch.no_grad()
def log_probs(model, samples):
    return token_log_probs(model, samples)


@pytest.mark.parametrize("prompt", [[1], [1, 3, 5]])
def test_draws_the_distribution_that_generate_draws(small_vocabulary, all_completions, prompt):
    model, count, vocabulary = small_vocabulary(3, vocabulary=6), 6000, 6
    every = all_completions(prompt, vocabulary, 2)
    probabilities = (log_probs(model, every) * every.mask).sum(-1).double().exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert probabilities.max() < 0.6  # the case is not trivial

    prompts = repeated(prompt, count)
    ours = sample(model, prompts, uniforms(count, 2), eos=EOS, pad=PAD)[0]
    theirs, _ = generated(model, prompts, 2, seed=1)

    def counts(samples):
        cells = {tuple(row): i for i, row in enumerate(every.ids.tolist())}
        return torch.bincount(
            torch.tensor([cells[tuple(row)] for row in samples.ids.tolist()]), minlength=len(cells)
        )

    mine, other = counts(ours), counts(theirs)
    expected = probabilities / probabilities.sum() * count
    large = expected >= 5

    def pooled(values):  # cells too rare for the chi-square count as one
        rare = values[~large].sum()[None] if not large.all() else values[:0]
        return torch.cat([values[large], rare]).double().numpy()

    assert large.sum() > 10
    assert chisquare(pooled(mine), pooled(expected)).pvalue > 1e-3
    assert chi2_contingency([pooled(mine), pooled(other)]).pvalue > 1e-3


def test_log_probs_are_those_that_generate_sampled_from(small_vocabulary):
    model = small_vocabulary(4, vocabulary=7)
    prompts = left_padded([[1, 3], [1, 4, 5, 6, 3], [1], [1, 6, 6]] * 8)
    samples, logits = generated(model, prompts, 5, seed=0)
    assert not samples.mask.all()  # some end early
    theirs = log_probs_of(logits.float(), samples.ids)
    torch.testing.assert_close(
        log_probs(model, samples)[samples.mask], theirs[samples.mask], atol=1e-5, rtol=0
    )


def test_padding_and_batch_change_neither_log_probs_nor_values_nor_scores(language_model, tokenizer, sharpen):
    reward_model = sharpen(new_reward_model(language_model, seed=1), 2.0)
    prompts = encode_prompts(TEXTS * 4, tokenizer)
    drawn = sample(language_model, prompts, uniforms(16, 9), eos=tokenizer.eos_token_id, pad=PAD)[0]
    # as if some rows had ended early: EOS from this sharp but untrained model is rare
    lengths = torch.tensor([1, 3, 9, 5] * 4)
    samples = Samples(prompts, drawn.ids, torch.arange(9) < lengths[:, None])
    assert not bool(prompts.mask.all())

    with torch.no_grad():
        measures = {
            "log-probs": lambda s: log_probs(language_model, s),
            "values": lambda s: token_values(reward_model, s),
            "scores": lambda s: score(reward_model, s)[:, None].expand(-1, s.ids.shape[1]),
        }
        for name, measure in measures.items():
            together = measure(samples)
            assert together[samples.mask].std() > 0.1, name
            wider = measure(padded_more(samples, 3, 2))[:, :9]
            torch.testing.assert_close(wider[samples.mask], together[samples.mask], atol=1e-5, rtol=0)
            for i in range(len(TEXTS)):
                own = measure(alone(samples, i))[0]
                torch.testing.assert_close(own, together[i][samples.mask[i]], atol=1e-5, rtol=0)


def test_what_stands_on_padding_has_no_influence(language_model, tokenizer):
    prompts = encode_prompts(TEXTS, tokenizer)
    samples = sample(language_model, prompts, uniforms(4, 6), eos=tokenizer.eos_token_id, pad=PAD)[0]
    samples = Samples(prompts, samples.ids, torch.arange(6) < torch.tensor([2, 6, 3, 4])[:, None])
    junk = Samples(
        Prompts(prompts.ids.where(prompts.mask, 77), prompts.mask),
        samples.ids.where(samples.mask, 88),
        samples.mask,
    )
    torch.testing.assert_close(
        log_probs(language_model, junk)[samples.mask],
        log_probs(language_model, samples)[samples.mask],
        atol=1e-5,
        rtol=0,
    )


def test_a_completion_ends_with_eos_or_at_the_limit(small_vocabulary):
    samples = sample(small_vocabulary(5), repeated([1, 3], 400), uniforms(400, 6), eos=EOS, pad=PAD)[0]
    ends = set()
    for ids, mask in zip(samples.ids.tolist(), samples.mask.tolist(), strict=True):
        length = sum(mask)
        assert length >= 1
        assert mask == [True] * length + [False] * (6 - length)
        assert EOS not in ids[: length - 1]
        assert ids[length - 1] == EOS or length == 6
        assert ids[length:] == [PAD] * (6 - length)
        ends.add((length, ids[length - 1] == EOS))
    assert {(1, True), (6, True), (6, False)} <= ends
    assert samples.lengths.tolist() == samples.mask.sum(-1).tolist()


def test_the_draw_of_a_row_does_not_depend_on_its_batch(small_vocabulary):
    # rows end at different times, so that the batch shrinks on the way; some prompts are padded
    model, numbers = small_vocabulary(5), uniforms(48, 8)
    prompts = left_padded([[1, 3], [1, 4, 4, 3], [1]] * 16)
    together = sample(model, prompts, numbers, eos=EOS, pad=PAD)[0]
    assert len(set(together.lengths.tolist())) > 4
    for i in range(0, 48, 5):
        start = int((~prompts.mask[i]).sum())
        row = Prompts(prompts.ids[i : i + 1, start:], prompts.mask[i : i + 1, start:])
        own = sample(model, row, numbers[i : i + 1], eos=EOS, pad=PAD)[0]
        assert own.ids.tolist() == together.ids[i : i + 1].tolist()
        assert own.mask.tolist() == together.mask[i : i + 1].tolist()


def test_the_draw_of_a_padded_prompt_is_that_of_the_prompt_alone(language_model, tokenizer):
    # a model with strong attention: a look at the padding would change most draws
    prompts, numbers = encode_prompts(TEXTS * 6, tokenizer), uniforms(24, 6)
    together = sample(language_model, prompts, numbers, eos=EOS, pad=PAD)[0]
    for i in range(24):
        start = int((~prompts.mask[i]).sum())
        row = Prompts(prompts.ids[i : i + 1, start:], prompts.mask[i : i + 1, start:])
        own = sample(language_model, row, numbers[i : i + 1], eos=EOS, pad=PAD)[0]
        assert own.ids.tolist() == together.ids[i : i + 1].tolist()


def test_an_extreme_random_number_draws_a_token_that_can_be(small_vocabulary):
    model = small_vocabulary(5)
    numbers = torch.tensor([[0.0], [1 - 2**-24]])
    samples = sample(model, repeated([1], 2), numbers, eos=EOS, pad=PAD)[0]
    assert samples.ids[:, 0].tolist() == [0, 4]


def test_sample_many_does_not_depend_on_the_batch(small_vocabulary):
    model, prompts = small_vocabulary(6), left_padded([[1, 3], [1, 4, 4], [1]])
    seen = []
    runs = [
        sample_many(
            model,
            prompts,
            10,
            5,
            generator=torch.Generator().manual_seed(7),
            batch=batch,
            progress=lambda done, total: seen.append((done, total)),
        )
        for batch in (30, 7, 1)
    ]
    assert seen[0] == (30, 30)
    assert seen[1:6] == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]
    assert runs[0].prompts.ids.tolist() == [row for row in prompts.ids.tolist() for _ in range(10)]
    for other in runs[1:]:
        assert torch.equal(other.ids, runs[0].ids)
        assert torch.equal(other.mask, runs[0].mask)


def three(kl):
    return [estimator.double() for estimator in (kl.exact, kl.k1, kl.k3)]


@pytest.mark.parametrize("prompt", [[1], [1, 4, 3]])
def test_exact_kl_and_its_estimators_against_every_completion(small_vocabulary, all_completions, prompt):
    policy, reference = small_vocabulary(1), small_vocabulary(2)
    every = all_completions(prompt, 5, 3)
    assert len(every) == 1 + 4 + 16 * 5
    log_policy, log_reference = (
        (log_probs(model, every) * every.mask).sum(-1).double() for model in (policy, reference)
    )
    truth = (log_policy.exp() * (log_policy - log_reference)).sum().item()
    assert truth > 0.2
    assert log_policy.exp().sum().item() == pytest.approx(1, abs=1e-5)

    # weighted by the policy's probabilities, all three are the KL itself: no sampling, no error
    for estimator in three(sample_kl(policy, reference, every)):
        assert (log_policy.exp() @ estimator).item() == pytest.approx(truth, abs=2e-5)

    samples = sample_many(
        policy, repeated(prompt, 1), 3000, 3, generator=torch.Generator().manual_seed(0), batch=3000
    )
    exact, k1, k3 = three(sample_kl(policy, reference, samples))
    assert exact.std() < k1.std()  # Rao-Blackwell
    for difference in (exact - truth, k1 - truth, k3 - truth, exact - k1, exact - k3, k1 - k3):
        assert difference.mean().abs() < 4 * difference.std() / 3000**0.5


def test_kl_of_a_policy_from_itself_is_zero(small_vocabulary, all_completions):
    model = small_vocabulary(1)
    kl = sample_kl(model, model, all_completions([1], 5, 2))
    assert max(estimator.abs().max() for estimator in three(kl)) < 1e-6


def test_shifted_left_starts_every_row_at_column_zero():
    prompts = left_padded([[1, 3, 4], [1], [1, 5]])
    mask = torch.tensor([[True, False, False, False], [True, True, True, False], [True, True, False, False]])
    samples = Samples(prompts, torch.tensor([[6, 9, 9, 9], [6, 7, 2, 9], [8, 2, 9, 9]]), mask)
    ids, lengths = samples.shifted_left()
    assert ids.tolist() == [[1, 3, 4, 6], [1, 6, 7, 2], [1, 5, 8, 2]]
    assert lengths.tolist() == [4, 4, 4]
    ids, lengths = samples[:1].shifted_left()
    assert (ids.tolist(), lengths.tolist()) == ([[1, 3, 4, 6]], [4])
    ids, lengths = padded_more(samples[1:2], 2, 3).shifted_left()
    assert (ids.tolist(), lengths.tolist()) == ([[1, 6, 7, 2]], [4])


def test_save_and_load_give_the_same_samples(tmp_path, small_vocabulary):
    prompts = left_padded([[1, 3], [1]])
    samples = sample(small_vocabulary(0), prompts, uniforms(2, 4), eos=EOS, pad=PAD)[0]
    samples.save(tmp_path / "samples.safetensors")
    loaded = Samples.load(tmp_path / "samples.safetensors")
    for got, kept in (
        (loaded.ids, samples.ids),
        (loaded.mask, samples.mask),
        (loaded.prompts.ids, prompts.ids),
        (loaded.prompts.mask, prompts.mask),
    ):
        assert got.dtype == kept.dtype
        assert torch.equal(got, kept)
    both = concatenate([samples[:1], samples[1:]])
    assert torch.equal(both.ids, samples.ids)
    assert torch.equal(both.prompts.mask, prompts.mask)


def test_prompts_are_bos_and_the_text_padded_on_the_left(tokenizer):
    prompts = encode_prompts(TEXTS, tokenizer)
    for i, text in enumerate(TEXTS):
        tokens = prompts.ids[i][prompts.mask[i]].tolist()
        assert tokens == [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        assert prompts.mask[i].tolist() == sorted(prompts.mask[i].tolist())
        assert (prompts.ids[i][~prompts.mask[i]] == tokenizer.pad_token_id).all()
    assert [text.strip() for text in decode(prompts.ids, tokenizer)] == TEXTS


def test_saved_samples_come_back_the_same_with_large_tokens_and_shared_prompts(tmp_path):
    heads = torch.tensor([[0, 1, 5], [1, 40_000, 6], [0, 1, 5]])
    ids = torch.tensor([[65_535, 2], [7, 8], [2, 0]])
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    samples = Samples(
        Prompts(heads, torch.tensor([[False, True, True], [True] * 3, [False, True, True]])), ids, mask
    )
    samples.save(tmp_path / "x.safetensors")
    again = Samples.load(tmp_path / "x.safetensors")
    for kept, now in ((samples, again), (samples.prompts, again.prompts)):
        assert torch.equal(kept.ids, now.ids)
        assert torch.equal(kept.mask, now.mask)


def test_tokens_of_a_large_vocabulary_are_kept_whole(tmp_path):
    heads, ids = torch.tensor([[1, 128_000]]), torch.tensor([[65_535, 65_536]])
    samples = Samples(Prompts(heads, heads > 0), ids, ids > 0)
    samples.save(tmp_path / "x.safetensors")
    again = Samples.load(tmp_path / "x.safetensors")
    assert torch.equal(again.ids, ids)
    assert torch.equal(again.prompts.ids, heads)
