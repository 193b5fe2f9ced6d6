"""Rejection-sampling fine-tuning: what is learnt against enumeration, how far it goes, killed runs that go on."""

import pytest
import torch

from overopt.engine.checkpoint import Checkpoint
from overopt.models.log_probs import summed_log_probs, total_log_probs
from overopt.models.samples import Prompts
from overopt.models.seeding import generator
from overopt.optimisers import rejection
from overopt.optimisers.evaluation import Evaluator
from overopt.optimisers.ppo_run import PPORun
from overopt.optimisers.rejection import Models, Trainer
from overopt.study.rejection_parts import RejectionRun
from overopt.training.optim import Diverged

PROMPT = [1, 3]
N = 4


def reward(samples):
    """A score of each completion of at most two of five tokens; some texts have the same."""
    tokens = samples.ids.where(samples.mask, 7)
    return ((3 * tokens[:, 0] + 5 * tokens[:, 1]) % 11).float() / 3


def trainer_of(make, *, reward=reward, seed=0, **changes):
    run = {"prompts": 1, "batch": 64, "learning_rate": 1e-2, "max_steps": 6, "max_kl": 1e3, "spacing": 1e3}
    config = RejectionRun(**run | {"look_every": 2, "evaluation_samples": 2} | changes)
    prompts = Prompts(torch.tensor([PROMPT]), torch.ones(1, 2, dtype=torch.bool))
    models = Models(make(0), make(0))
    return Trainer(
        models,
        reward,
        prompts,
        config,
        n=N,
        completion_tokens=2,
        generator=generator(seed, "rejection"),
        batch=4096,
    )


def best_of_n(texts, chances, n=N):
    """The chance of each text to be the best of n, ties shared evenly."""
    scores = reward(texts)
    found = torch.zeros_like(chances)
    for score in scores.unique():
        tied = scores == score
        below, up_to = chances[scores < score].sum(), chances[scores <= score].sum()
        found[tied] = (up_to**n - below**n) * chances[tied] / chances[tied].sum()
    return found


@pytest.fixture
def texts(all_completions):
    """Every completion of the prompt."""
    return all_completions(PROMPT, 5, 2)


def test_what_is_learnt_from_is_best_of_n(small_vocabulary, texts):
    trainer = trainer_of(small_vocabulary, batch=4000)
    chances = total_log_probs(trainer.models.policy, texts).exp()
    assert len(reward(texts).unique()) < len(texts)
    chosen = trainer.choose()
    for samples, expected in ((chosen.samples, best_of_n(texts, chances)), (chosen.drawn, chances)):
        same = (samples.ids[:, None] == texts.ids).all(-1) & (samples.mask[:, None] == texts.mask).all(-1)
        assert same.sum(1).eq(1).all()
        shares = same.float().mean(0)
        assert ((shares - expected).abs() < 4.5 * (expected * (1 - expected) / 4000).sqrt() + 1e-6).all()
    assert (best_of_n(texts, chances) - chances).abs().sum() > 0.5
    assert chosen.scores.shape == (4000, N)


def test_a_step_goes_towards_best_of_n(small_vocabulary, texts, monkeypatch):
    """Its gradient is that of the cross-entropy of the policy from best-of-n over all texts."""
    trainer, found = trainer_of(small_vocabulary, batch=4000), []

    def gradient(loss, model):
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))])

    def noted(loss, model, _, **told):
        found.append(gradient(loss, model))

    monkeypatch.setattr(rejection, "descend", noted)
    iteration = trainer.iterate()
    log_probs = summed_log_probs(trainer.models.policy, texts)
    loss = -(best_of_n(texts, log_probs.exp().detach()) * log_probs).sum()
    expected = gradient(loss, trainer.models.policy)
    assert iteration.policy_loss == pytest.approx(loss.item(), rel=0.03)
    assert expected.norm() > 0.1
    assert (found[0] - expected).norm() < 0.1 * expected.norm()
    assert iteration.kl == pytest.approx(0, abs=1e-5)


def test_the_proxy_rises_beyond_best_of_n_of_the_base_policy(small_vocabulary, texts):
    trainer = trainer_of(small_vocabulary, max_steps=40)
    before = total_log_probs(trainer.models.policy, texts).exp()
    iterations = [trainer.iterate() for _ in range(40)]
    after = total_log_probs(trainer.models.policy, texts).exp()
    mean, best, reached = (float(p @ reward(texts)) for p in (before, best_of_n(texts, before), after))
    assert mean < best < reached
    assert iterations[0].reward == pytest.approx(mean, abs=0.3)
    assert iterations[-1].reward == pytest.approx(reached, abs=0.3)
    kl = float((after * (after / before).log()).sum())
    assert iterations[-1].kl == pytest.approx(kl, rel=0.25)


def test_rows_at_once_change_no_bit_of_what_is_drawn(small_vocabulary):
    trainers = [trainer_of(small_vocabulary) for _ in range(2)]
    trainers[1].batch = 7
    first, second = (trainer.choose() for trainer in trainers)
    assert torch.equal(first.samples.ids, second.samples.ids)


def run(make, *, checkpoint=None, until=None):
    """Step, KL and tokens of every look, and the policy's weights; killed after the look at step `until`."""
    trainer, kept = trainer_of(make), {"looks": []}
    evaluator = Evaluator(
        reference=trainer.models.reference,
        prompts=trainer.prompts,
        per_prompt=2,
        completion_tokens=2,
        seed=0,
        batch=8,
    )
    looks = iter(PPORun(trainer, evaluator, kept=kept, checkpoint=checkpoint))
    for look in looks:
        kept["looks"].append([look.step, look.kl.exact.tolist(), look.samples.ids.tolist()])
        if look.step == until:
            next(looks)  # the state of this look is kept when the run goes on
            break
    return kept["looks"], torch.cat([weight.flatten() for weight in trainer.models.policy.parameters()])


def test_a_killed_run_goes_on_to_the_same_bits(small_vocabulary, tmp_path):
    looks, weights = run(small_vocabulary)
    assert [look[0] for look in looks] == [0, 2, 4, 6]
    run(small_vocabulary, checkpoint=Checkpoint(tmp_path), until=2)
    again, weights_again = run(small_vocabulary, checkpoint=Checkpoint(tmp_path))
    assert again == looks
    assert torch.equal(weights_again, weights)
    assert not torch.equal(weights, torch.cat([w.flatten() for w in small_vocabulary(0).parameters()]))


def test_what_is_not_finite_stops_the_run(small_vocabulary):
    trainer = trainer_of(small_vocabulary, reward=lambda samples: torch.full((len(samples),), torch.nan))
    with pytest.raises(Diverged, match="rejection sampling: reward: found nan at step 1"):
        trainer.iterate()
