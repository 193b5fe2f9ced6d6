"""A policy against a proxy, watched by gold: the PPO run of a study, evaluated as it moves away."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.samples import Prompts, Samples
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluation, evaluate
from overopt.optimisers.ppo import Iteration, Trainer
from overopt.study.parts import PPO


def optimise(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    value_model: PreTrainedModel,
    reward: Callable[[Samples], Float[Tensor, " batch"]],
    prompts: Prompts,
    evaluation_prompts: Prompts,
    config: PPO,
    *,
    completion_tokens: int,
    kl_penalty: float,
    seed: int,
    batch: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
    found: tuple[dict[str, Tensor], Any] | None = None,
    kept: Callable[[], Any] = lambda: None,
) -> Iterator[Evaluation]:
    """Run PPO and evaluate at the start, whenever sqrt(KL) has grown by `config.spacing`, and at the end.

    With `config.look_every`, no more than so many iterations pass between two looks. KL on the training batch decides
    when to look; every look measures its own KL on held-out prompts. The run
    ends at `config.max_kl` nats or `config.max_steps` iterations. Progress is counted in thousandths of the way
    to whichever comes first.

    With a `checkpoint`, the state of the run is kept after every evaluation, beside what the caller has made of
    the evaluations so far (`kept()`, JSON). A run that is given what the checkpoint `found` goes on from there, and
    every number is the same, to the last bit, as if it had not been stopped.
    """

    def look(step: int, iteration: Iteration | None) -> Evaluation:
        samples, kl = evaluate(
            policy,
            reference,
            evaluation_prompts,
            config.evaluation_samples,
            completion_tokens,
            generator=generator(seed, "evaluation", step),
            batch=batch,
        )
        return Evaluation(step, samples, kl, iteration)

    trainer = Trainer(
        policy,
        reference,
        value_model,
        reward,
        prompts,
        config,
        completion_tokens=completion_tokens,
        kl_penalty=kl_penalty,
        generator=generator(seed, "ppo"),
    )
    seen, looked = 0.0, 0  # the largest distance and the step of the last look
    if found:
        trainer.restore(found[0])
        seen, looked = found[1]["seen"], found[1]["looked"]
    else:
        yield look(0, None)
    last = False
    while not last:
        iteration = trainer.iterate()
        distance = math.sqrt(max(0.0, iteration.kl))
        last = iteration.step == config.max_steps or iteration.kl >= config.max_kl
        overdue = config.look_every is not None and iteration.step - looked >= config.look_every
        if last or overdue or distance >= seen + config.spacing:
            # past a jump, the next point is due one spacing further on
            seen, looked = max(seen, distance), iteration.step
            yield look(iteration.step, iteration)
            if checkpoint and not last:
                checkpoint.save(trainer.state(), {"seen": seen, "looked": looked, "kept": kept()})
        share = max(iteration.step / config.max_steps, distance / math.sqrt(config.max_kl))
        progress(round(1000 * min(1.0, share)), 1000)
