"""When a PPO run is looked at: as KL grows, after so many iterations at the latest, and where it went on."""

import copy
from itertools import pairwise

import torch

from overopt.engine.checkpoint import Checkpoint
from overopt.models.build import new_reward_model
from overopt.models.samples import encode_prompts
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluator
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.ppo_run import PPORun
from overopt.study.ppo_parts import PPO

STEPS = 9


def looks(language_model, tokenizer, *, checkpoint=None, until=None, **config):
    """Steps at which a run is looked at; with a checkpoint, from where that stands, and no further than `until`."""
    prompts = encode_prompts(["The film", "It was"], tokenizer)
    spec = PPO(
        batch=8, minibatch=8, epochs=1, learning_rate=1e-4, value_learning_rate=1e-3, prompts=2, max_steps=STEPS,
        max_kl=1000, evaluation_samples=1, **config,
    )  # fmt: skip
    models = Models(copy.deepcopy(language_model), language_model, new_reward_model(language_model, 1))
    trainer = Trainer(
        models, lambda samples: samples.lengths.float(), prompts, spec,
        completion_tokens=4, kl_penalty=0.0, generator=generator(0, "ppo"),
    )  # fmt: skip
    evaluator = Evaluator(
        reference=language_model, prompts=prompts, per_prompt=1, completion_tokens=4, seed=0, batch=8
    )
    steps = []
    run = iter(PPORun(trainer, evaluator, kept=steps, checkpoint=checkpoint))
    for look in run:
        steps.append(look.step)
        if until is not None and look.step >= until:
            next(run)  # the state of this look is kept when the run goes on
            break
    return steps


def test_a_run_that_stands_still_is_looked_at_after_so_many_iterations(language_model, tokenizer):
    torch.manual_seed(0)
    assert looks(language_model, tokenizer, spacing=100.0) == [0, STEPS]
    assert looks(language_model, tokenizer, spacing=100.0, look_every=4) == [0, 4, 8, STEPS]
    # a look because KL has grown counts as well
    steps = looks(language_model, tokenizer, spacing=1e-9, look_every=4)
    assert len(steps) > 4
    assert max(after - before for before, after in pairwise(steps)) <= 4


def test_a_run_that_went_on_is_looked_at_at_the_same_steps(language_model, tokenizer, tmp_path):
    checkpoint = Checkpoint(tmp_path)
    looks(language_model, tokenizer, checkpoint=checkpoint, until=4, spacing=100.0, look_every=4)
    assert checkpoint.load()[1]["looked"] == 4
    assert looks(language_model, tokenizer, checkpoint=checkpoint, spacing=100.0, look_every=4) == [
        0,
        4,
        8,
        STEPS,
    ]


def test_every_iteration_of_little_kl_is_looked_at(language_model, tokenizer):
    torch.manual_seed(0)
    assert looks(language_model, tokenizer, spacing=100.0, dense_below=1e3) == list(range(STEPS + 1))
