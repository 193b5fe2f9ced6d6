"""The stage that predicts what optimising against a proxy will bring, from few samples of the base policy."""

import numpy as np

from overopt.engine.stage import Job
from overopt.estimators.pool_prediction import predict_best_of_n, predict_rl
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples
from overopt.plan.stage_specs import PredictionSpec
from overopt.rewards.joined import load_proxy
from overopt.stages.curve_rows import curve_identity
from overopt.stages.pool import pooled
from overopt.util.files import read_json, write_json
from overopt.util.seeds import derive

IDENTITY = ("study", "world", "policy_params", "rm_params", "pairs", "epochs", "label_noise", "seed")


def prediction(job: Job[PredictionSpec]) -> None:
    """prediction.json: which curve it is of, and what `overopt.estimators.pool_prediction` says of it.

    The proxy's scale does not matter: what it orders, and by how much within a prompt, says all. Gold has the pool's.
    """
    spec, folder = job.spec, job.parents["pool"]
    samples = Samples.load(folder / "evaluation.safetensors")
    # the first of each prompt: samples of a prompt stand in a row
    read = [k for k in range(len(samples)) if k % spec.pool_samples < spec.samples]
    judge = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(spec.frozen))
    scores = judge.score(samples[read], batch=job.runtime.batch)
    golds = pooled(folder, "evaluation")["gold"][read]
    proxy, gold = (values.double().numpy().reshape(-1, spec.samples) for values in (scores, golds))
    rng = np.random.default_rng(derive(0, "prediction"))
    rl = predict_rl(proxy, gold, rng=rng)
    identity = curve_identity(job, read_json(job.parents["proxy"] / "metrics.json"))
    told = {name: identity[name] for name in IDENTITY} | {
        "samples": len(read),
        "bon": predict_best_of_n(proxy, gold, max_n=spec.max_n, rng=rng).as_json(),
        "ppo": rl.as_json() if rl else None,
    }
    write_json(job.out / "prediction.json", told)
