"""Each optional setting of PPO does what it says, is left out of a study that does not ask for it, and outlives a stop."""

import copy

import pytest
import torch

from overopt.models.build import new_reward_model
from overopt.models.samples import Prompts
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.shaping import preferred
from overopt.study.ppo_parts import PPO

CONFIG = PPO(
    batch=64, minibatch=32, epochs=2, learning_rate=1e-2, value_learning_rate=1e-2, prompts=1, max_steps=8,
    max_kl=1000, spacing=1, evaluation_samples=1,
)  # fmt: skip
EVERY = {
    "missing_eos_score": -1.0, "rate_warmup": 2, "embedding_gain": 0.0, "target_kl": 0.02, "whiten": False,
    "value_from": "proxy", "value_warmup": 2, "adam_beta2": 0.999, "adam_eps": 1e-5, "linear_decay": True,
    "dense_below": 2.0, "score_clip": 2.5, "kl_target": 1.0,
}  # fmt: skip
ALONE = {"leave_one_out": 4}  # has no value model, which others are about
GRPO = ALONE | {"group_scaled": True}
PAR = {"compared_with": 2}  # bounds a reward in another way than `score_clip`


@pytest.fixture
def trainer(small_vocabulary):
    """Makes a trainer on one prompt with these changes to `CONFIG`; the reward is how many tokens a completion has."""

    def make(*, reward=lambda samples: samples.lengths.float(), seed=1, penalty=0.0, **changes):
        policy, ids = small_vocabulary(1, factor=1.0), torch.tensor([[1, 3]])
        return Trainer(
            Models(policy, copy.deepcopy(policy), new_reward_model(policy, seed=1)),
            reward,
            Prompts(ids, torch.ones_like(ids, dtype=torch.bool)),
            PPO(**dict(CONFIG) | changes),
            completion_tokens=4,
            kl_penalty=penalty,
            generator=torch.Generator().manual_seed(seed),
            base_scores=torch.tensor([[1.0, 3.0]]) if changes.get("compared_with") else None,
        )

    return make


def rates(trainer, steps):
    """Learning rates of policy and value model in each of so many iterations."""
    found = []
    for _ in range(steps):
        trainer.iterate()
        found.append(
            [trainer.policy_optimiser.param_groups[0]["lr"], trainer.value_optimiser.param_groups[0]["lr"]]
        )
    return found


def test_what_is_not_asked_for_is_left_out():
    assert not set(EVERY | GRPO | PAR) & set(CONFIG.model_dump(mode="json"))
    for settings in (EVERY, ALONE, GRPO, PAR):
        asked = PPO(**dict(CONFIG) | settings)
        assert set(settings) <= set(asked.model_dump(mode="json"))
        assert PPO(**asked.model_dump(mode="json")) == asked


@pytest.mark.parametrize("other", [{"value_warmup": 2}, {"value_from": "proxy"}])
def test_what_has_no_value_model_cannot_be_told_how_to_start_one(other):
    with pytest.raises(ValueError, match="leave_one_out has no value model, and found value_"):
        PPO(**dict(CONFIG) | ALONE | other)


@pytest.mark.parametrize("name", sorted(set(EVERY | GRPO | PAR) - {"value_from", "dense_below"}))
def test_each_setting_changes_what_the_policy_becomes(trainer, name):
    needed = ALONE if name == "group_scaled" else {}
    penalty = 0.5 if name == "kl_target" else 0.0
    plain, changed = (
        trainer(penalty=penalty, **needed | more) for more in ({}, {name: (EVERY | GRPO | PAR)[name]})
    )
    for one in (plain, changed):
        for _ in range(2):
            one.iterate()
    weights = [one.models.policy.lm_head.weight for one in (plain, changed)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize("settings", [EVERY, GRPO, PAR])
def test_a_run_with_every_setting_goes_on_from_its_state_bit_for_bit(trainer, settings):
    whole, first, second = (trainer(penalty=0.1, **settings, seed=seed) for seed in (1, 1, 2))
    for _ in range(2):
        whole.iterate()
        first.iterate()
    second.restore(first.state())
    assert [whole.iterate() for _ in range(3)] == [second.iterate() for _ in range(3)]
    expected, got = whole.state(), second.state()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_without_gain_the_embeddings_of_the_policy_alone_are_frozen(trainer):
    of = trainer(embedding_gain=0.0)
    models = (of.models.policy, of.models.value)
    before = [copy.deepcopy(model.state_dict()) for model in models]
    of.iterate()
    for model, old in zip(models, before, strict=True):
        moved = {name for name, weight in model.state_dict().items() if not torch.equal(weight, old[name])}
        assert "transformer.h.0.mlp.c_fc.weight" in moved
        assert ("transformer.wte.weight" in moved) == (model is of.models.value)


def test_rates_rise_and_fall(trainer):
    assert rates(trainer(), 3) == [[1e-2, 1e-2]] * 3
    rising = [policy for policy, _ in rates(trainer(rate_warmup=3), 5)]
    assert rising == pytest.approx([0.25e-2, 0.5e-2, 0.75e-2, 1e-2, 1e-2])
    falling = rates(trainer(linear_decay=True), 8)
    assert falling == pytest.approx(torch.linspace(1e-2, 1e-2 / 8, 8)[:, None].expand(-1, 2))


def test_adam_is_told_its_settings(trainer):
    of = trainer(adam_beta2=0.999, adam_eps=1e-5)
    for optimiser in (of.policy_optimiser, of.value_optimiser):
        assert all(group["betas"] == (0.9, 0.999) for group in optimiser.param_groups)
        assert all(group["eps"] == 1e-5 for group in optimiser.param_groups)


def test_the_value_model_is_warmed_up_on_the_policy_as_it_was(trainer):
    cold, warm = trainer(reward=lambda samples: torch.full((64,), 5.0)), []
    of = trainer(reward=lambda samples: warm.append(len(samples)) or torch.full((64,), 5.0), value_warmup=12)
    first, expected = of.iterate(), cold.iterate()
    assert of.step == 1
    assert warm == [64] * 13
    assert first.kl == pytest.approx(0, abs=1e-6)
    assert first.value_loss < 0.2 * expected.value_loss
    of.iterate()
    assert len(warm) == 14


def test_a_completion_without_an_end_gets_the_score_that_a_study_gives_it(trainer):
    def ends(of):
        for _ in range(8):
            rollout = of._collect()
            of.iterate()
        return rollout.samples.ended(2).float().mean()

    assert ends(trainer()) < 0.2  # long ones are paid for
    of = trainer(missing_eos_score=-5.0)
    rollout = of._collect()
    # what the reward model says is still told
    assert torch.equal(rollout.scores, rollout.samples.lengths.float())
    ended = rollout.samples.ended(2)
    returns = of._collect().returns[:, 0]
    assert 0 < ended.sum() < len(ended)
    assert returns.min() < -1
    assert ends(of) > 0.5


@pytest.mark.parametrize("shape", [{}, {"score_clip": 2.5}, PAR])
def test_a_shaped_score_stays_so_beside_one_for_completions_without_an_end(trainer, shape):
    """With lambda 1 what the value model learns of the first token is the reward of the completion."""
    rollout = trainer(missing_eos_score=-5.0, gae_lambda=1.0, **shape)._collect()
    scores, ended = rollout.scores, rollout.samples.ended(2)
    assert 0 < ended.sum() < len(ended)
    shaped = scores
    if "score_clip" in shape:
        shaped = scores.clamp(max=2.5)
        assert (shaped != scores)[ended].any()
    elif shape:
        shaped = preferred(scores, torch.tensor([[1.0, 3.0]]).expand(len(scores), 2))
    expected = shaped.where(ended, -5.0)
    assert torch.allclose(rollout.returns[:, 0], expected, atol=1e-5)


def test_advantages_are_whitened_or_left_in_base_policy_sds(trainer):
    for whiten in (True, False):
        rollout = trainer(whiten=whiten)._collect()
        mask = rollout.samples.mask
        raw, found = (rollout.returns - rollout.values)[mask], rollout.advantages[mask]
        assert torch.allclose(found, raw) == (not whiten)
        assert whiten == (abs(found.mean()) < 1e-5 and abs(found.std(correction=0) - 1) < 1e-4)


def test_updates_end_once_the_policy_has_moved_so_far(trainer, monkeypatch):
    update, moves = Trainer._update, []

    def counted(of, rollout, rows):
        losses, moved = update(of, rollout, rows)
        moves.append(moved)
        return losses, moved

    monkeypatch.setattr(Trainer, "_update", counted)
    trainer(epochs=8).iterate()
    far = list(moves)
    assert len(far) == 16
    assert far[0] == pytest.approx(0, abs=1e-6)  # before its first update it is the one that drew the batch
    assert far[-1] > 0.05
    moves.clear()
    trainer(epochs=8, target_kl=0.02).iterate()
    stop = next(k for k, moved in enumerate(far) if moved > 0.02)
    assert moves == far[: stop + 1]
    assert len(moves) < 16


def test_the_method_is_what_completions_are_compared_with():
    assert [PPO(**dict(CONFIG) | more).method for more in ({}, ALONE, GRPO)] == ["ppo", "rloo", "grpo"]
    with pytest.raises(ValueError, match="group_scaled: found no leave_one_out"):
        PPO(**dict(CONFIG) | {"group_scaled": True})
    with pytest.raises(ValueError, match="score_clip: found compared_with, expected one of the two"):
        PPO(**dict(CONFIG) | PAR | {"score_clip": 1.0})


def test_a_policy_is_rewarded_with_the_shaped_score_and_its_own_is_told(trainer):
    """Scores are far above the clip: all completions are worth the same, and a policy without a baseline's error stays."""
    of = trainer(reward=lambda samples: 5.0 + samples.lengths, score_clip=2.0, **ALONE)
    before = copy.deepcopy(of.models.policy.state_dict())
    assert of.iterate().reward > 5
    # AdamW's weight decay, if any, aside, no gradient is left
    assert all(torch.allclose(weight, before[name]) for name, weight in of.models.policy.state_dict().items())
    par = trainer(**PAR)
    scores, rows = torch.tensor([1.0, 3.0]), torch.tensor([0, 0])
    half, other = 0.5, torch.sigmoid(torch.tensor(2.0)).item()
    assert par._shaped(scores, rows).tolist() == pytest.approx([(half + 1 - other) / 2, (half + other) / 2])


def test_the_penalty_goes_up_where_kl_is_above_its_target_and_down_where_it_is_below(trainer):
    far, near = (trainer(penalty=0.5, kl_target=target) for target in (1e-6, 1e6))
    for _ in range(3):
        far.iterate()
        near.iterate()
    # the first batch is drawn by the initial policy: its KL is 0, up to rounding
    assert near.kl_penalty == pytest.approx(0.5 * 0.98**3)
    assert far.kl_penalty == pytest.approx(0.5 * 0.98 * 1.02**2) or far.kl_penalty == pytest.approx(
        0.5 * 1.02**3
    )
