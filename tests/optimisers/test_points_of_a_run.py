"""How many points a run has: enough below 2 nats for a law that starts at 0, where it is asked to look there."""

import copy

from overopt.models.build import new_reward_model
from overopt.models.samples import encode_prompts
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluator
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.ppo_run import PPORun
from overopt.study.ppo_parts import PPO


def kls(language_model, tokenizer, **changes):
    """KL at each point of a run whose reward wants even tokens: one update of it goes past a nat."""
    config = PPO(
        batch=64, minibatch=64, epochs=1, learning_rate=1e-2, value_learning_rate=1e-2, prompts=2, max_steps=45,
        max_kl=12, spacing=0.25, evaluation_samples=1, **changes,
    )  # fmt: skip
    prompts = encode_prompts(["The film", "It was"], tokenizer)
    trainer = Trainer(
        Models(copy.deepcopy(language_model), language_model, new_reward_model(language_model, 1)),
        lambda samples: (samples.ids % 2 == 0).float().sum(-1),
        prompts,
        config,
        completion_tokens=6,
        kl_penalty=0.0,
        generator=generator(0, "ppo"),
    )
    evaluator = Evaluator(
        reference=language_model, prompts=prompts, per_prompt=32, completion_tokens=6, seed=0, batch=64
    )
    return [look.kl.exact.mean().item() for look in PPORun(trainer, evaluator, kept=[])]


def below(points, nats):
    return sum(kl < nats for kl in points)


def test_a_gentle_start_that_is_looked_at_closely_has_points_where_laws_begin(language_model, tokenizer):
    plain = kls(language_model, tokenizer)
    assert below(plain, 2) < 8
    close = kls(language_model, tokenizer, dense_below=12.0, rate_warmup=20)
    assert below(close, 2) >= 8
    assert len(close) >= 25
    assert close[0] == 0
    assert close[-1] >= 10
