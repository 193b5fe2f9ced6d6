"""Direct alignment: losses by hand, the policy that DPO comes to where it is known, killed runs that go on."""

import copy
import itertools
import math

import pytest
import torch

from overopt.analysis.curves import METHODS
from overopt.analysis.fitted_laws import LAW_OF
from overopt.engine.checkpoint import Checkpoint
from overopt.models.log_probs import total_log_probs
from overopt.models.samples import Prompts, Samples, concatenate
from overopt.models.seeding import generator
from overopt.optimisers.direct import LOSSES, Looks, Trainer, direct_loss, look_steps
from overopt.optimisers.evaluation import Evaluator
from overopt.rewards.pairs import LabelledPairs
from overopt.study.direct_parts import DirectRun
from overopt.training.optim import Diverged

BETA = 0.3
# winner and loser by the policy now, then as it was: three pairs
NATS = torch.tensor(
    [[-4.0, -9.0, -3.0], [-6.0, -7.0, -9.0], [-4.5, -8.0, -4.0], [-4.0, -9.5, -2.5]], dtype=torch.float64
)
MARGINS = [0.75, -1.05, 2.25]  # 0.3 times 2.5, -3.5 and 7.5
BY_HAND = {
    "dpo": [math.log(1 + math.exp(-margin)) for margin in MARGINS],
    "ipo": [0.25**2, 2.05**2, 1.25**2],
    "slic": [0.25, 2.05, 0.0],
}
SLOPES = {  # by the margin
    "dpo": [-1 / (1 + math.exp(margin)) for margin in MARGINS],
    "ipo": [2 * -0.25, 2 * -2.05, 2 * 1.25],
    "slic": [-1.0, -1.0, 0.0],
}


def loss_of(name, nats, beta=BETA):
    return direct_loss(name, *nats.unbind(), beta=beta)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients_are_those_by_hand(name):
    nats = NATS.clone().requires_grad_()
    losses = loss_of(name, nats)
    assert losses.tolist() == pytest.approx(BY_HAND[name])
    losses.sum().backward()
    of_winner = [BETA * slope for slope in SLOPES[name]]
    of_loser = [-slope for slope in of_winner]
    for row, expected in zip(nats.grad, (of_winner, of_loser, of_loser, of_winner), strict=True):
        assert row.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("dpo", lambda x: x),  # log(1 + e^x) - log(1 + e^-x)
        ("ipo", lambda x: 4 * x),
        ("slic", lambda x: max(0, 1 + x) - max(0, 1 - x)),
    ],
)
def test_what_a_turned_label_costs(name, more):
    turned = loss_of(name, NATS[[1, 0, 3, 2]])
    assert (turned - loss_of(name, NATS)).tolist() == pytest.approx([more(margin) for margin in MARGINS])


@pytest.mark.parametrize("name", LOSSES)
def test_what_both_texts_of_a_pair_gain_changes_nothing(name):
    shift = torch.tensor([[2.0], [2.0], [-3.0], [-3.0]])
    torch.testing.assert_close(loss_of(name, NATS + shift), loss_of(name, NATS))


def test_without_beta_dpo_pushes_all_pairs_alike():
    """A loss of log 2 whatever the policy, whose slope is half of beta for every pair, right or wrong."""
    beta = 1e-9
    nats = NATS.clone().requires_grad_()
    losses = loss_of("dpo", nats, beta)
    assert losses.tolist() == pytest.approx([math.log(2)] * 3)
    losses.sum().backward()
    assert (nats.grad[0] / beta).tolist() == pytest.approx([-0.5] * 3)
    assert (nats.grad[1] / beta).tolist() == pytest.approx([0.5] * 3)


def test_losses_are_methods_that_have_the_form_of_rl():
    assert set(LOSSES) <= set(METHODS)
    assert {LAW_OF[loss].name for loss in LOSSES} == {"rl"}
    assert set(METHODS) - {"tilt"} == set(LAW_OF)  # tilting is computed, and has no law


@pytest.mark.parametrize(("steps", "looks"), [(1, 1), (1, 5), (7, 1), (7, 100), (500, 12), (10**6, 2)])
def test_looks_are_dense_at_first_and_end_at_the_last_step(steps, looks):
    found = look_steps(steps, looks)
    assert found == sorted(set(found))
    assert found[-1] == steps
    assert found[0] >= 1
    assert len(found) <= looks
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert gaps == sorted(gaps)


def known_pairs(texts, rewards, copies):
    """Every two of `texts` (of one prompt) `copies` times, labelled as often as Bradley-Terry says, to the nearest."""
    rows = []
    for i, j in itertools.combinations(range(len(texts)), 2):
        wins = round(copies / (1 + math.exp(rewards[j] - rewards[i])))
        rows += [(i, j, 1.0 if k < wins else -1.0) for k in range(copies)]
    first, second, margin = map(list, zip(*rows, strict=True))
    return LabelledPairs(texts[first], texts[second], torch.tensor(margin))


def test_dpo_comes_to_the_tilted_policy_of_a_known_reward(small_vocabulary, all_completions):
    """pi0 exp(r / beta) / Z, over all completions of up to two tokens, with EOS and cut at the limit."""
    beta = 0.7
    texts = all_completions([1, 3], 5, 2)
    policy = small_vocabulary(0)
    rewards = torch.randn(len(texts), generator=torch.Generator().manual_seed(1))
    before = total_log_probs(policy, texts)
    assert before.exp().sum().item() == pytest.approx(1, abs=1e-5)
    tilted = torch.softmax(before + rewards / beta, 0)
    pairs = known_pairs(texts, rewards.tolist(), 8)
    assert (~texts.ended(2)).any()  # of them no EOS is learnt
    config = DirectRun(batch=210, epochs=10, learning_rate=2e-2, looks=1, evaluation_samples=1)
    trainer = Trainer(policy, pairs, config, loss="dpo", beta=beta, generator=generator(0, "direct"))
    while trainer.step < trainer.steps:
        trainer.iterate()
    after = total_log_probs(policy, texts).exp()
    off_before, off = (0.5 * (p - tilted).abs().sum().item() for p in (before.exp(), after))
    assert off_before > 0.5
    assert off < 0.08, off  # steps of a rate that stays end near it


def some_pairs(count, seed):
    """Random pairs over tokens 3 to 8, of one prompt and of lengths 1 to 4."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 9, (2 * count, 4), generator=draw)
    lengths = torch.randint(1, 5, (2 * count,), generator=draw)
    mask = torch.arange(4) < lengths[:, None]
    heads = torch.tensor([[1, 3]]).repeat(2 * count, 1)
    texts = Samples(Prompts(heads, heads > 0), ids.where(mask, 0), mask)
    return LabelledPairs(texts[:count], texts[count:], torch.randn(count, generator=draw))


RUN = DirectRun(batch=8, epochs=2, learning_rate=1e-3, looks=4, evaluation_samples=2)


def trainer_of(policy, pairs, **changes):
    return Trainer(
        policy, pairs, RUN, **({"loss": "dpo", "beta": 0.1, "generator": generator(0, "direct")} | changes)
    )


def weights(model):
    return torch.cat([weight.flatten() for weight in model.parameters()])


@pytest.mark.parametrize("name", LOSSES)
def test_a_pair_is_learnt_the_way_its_label_says(small_vocabulary, name):
    policy, pairs = small_vocabulary(0, vocabulary=9), some_pairs(8, 0)
    trainer = trainer_of(policy, pairs, loss=name)
    before = [total_log_probs(policy, side) for side in (pairs.first, pairs.second)]
    losses = [trainer.iterate() for _ in range(trainer.steps)]
    assert losses[0] == pytest.approx({"dpo": math.log(2), "ipo": 1.0, "slic": 1.0}[name], abs=1e-6)
    assert losses[-1] < losses[0]
    first, second = (
        total_log_probs(policy, side) - old
        for side, old in zip((pairs.first, pairs.second), before, strict=True)
    )
    assert (((first - second) > 0) == pairs.first_wins).float().mean() > 0.7


def test_pairs_of_equal_texts_teach_nothing(small_vocabulary):
    pairs = some_pairs(24, 1)
    same = LabelledPairs(pairs.first[:9], pairs.first[:9], torch.ones(9))
    more = LabelledPairs(
        concatenate([same.first, pairs.first]),
        concatenate([same.second, pairs.second]),
        torch.cat([same.margin, pairs.margin]),
    )
    policies = [small_vocabulary(0, vocabulary=9) for _ in range(2)]
    for policy, of in zip(policies, (pairs, more), strict=True):
        trainer = trainer_of(policy, of)
        assert trainer.steps == 6
        trainer.iterate()
    assert torch.equal(weights(policies[0]), weights(policies[1]))
    assert not torch.equal(weights(policies[0]), weights(small_vocabulary(0, vocabulary=9)))
    with pytest.raises(ValueError, match="0 rows, fewer than one batch of 8"):
        trainer_of(policies[0], same)


def looked_at(small_vocabulary, checkpoint=None, until=None):
    """What a run saw (step, KL and tokens of every look) and its policy, killed after the look at step `until`."""
    policy = small_vocabulary(0, vocabulary=9)
    prompts = some_pairs(2, 2).first.prompts
    evaluator = Evaluator(
        reference=copy.deepcopy(policy),
        prompts=prompts,
        per_prompt=2,
        completion_tokens=4,
        seed=0,
        batch=8,
    )
    kept = {"rows": []}
    looks = Looks(trainer_of(policy, some_pairs(40, 3)), evaluator, kept=kept, checkpoint=checkpoint)
    run = iter(looks)
    for look in run:
        kept["rows"].append([look.step, look.kl.exact.sum().item(), look.samples.ids.tolist()])
        if look.step == until:
            next(run)  # the state of this look is kept when the run goes on
            break
    return kept["rows"], weights(policy)


def test_a_killed_run_goes_on_to_the_same_bits(small_vocabulary, tmp_path):
    whole, policy = looked_at(small_vocabulary)
    assert [row[0] for row in whole] == [0, *look_steps(10, 4)] == [0, 1, 2, 5, 10]
    assert whole[0][1] == 0
    assert whole[-1][1] > whole[1][1] > 0
    checkpoint = Checkpoint(tmp_path)
    part, _ = looked_at(small_vocabulary, checkpoint, until=2)
    assert part == whole[:3]
    again, resumed = looked_at(small_vocabulary, checkpoint)
    assert again == whole
    assert torch.equal(resumed, policy)


def test_a_loss_that_is_not_finite_stops_the_training(small_vocabulary):
    policy = small_vocabulary(0, vocabulary=9)
    trainer = trainer_of(policy, some_pairs(8, 0), loss="ipo")
    with torch.no_grad():
        policy.transformer.ln_f.weight[0] = math.nan
    with pytest.raises(Diverged, match="IPO: loss: found nan at step 0"):
        trainer.iterate()
