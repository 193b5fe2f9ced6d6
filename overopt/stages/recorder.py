"""Gold and proxy looking on while something optimises a policy: what every curve of a trained policy is made of."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from overopt.analysis.curves import STRICTNESS
from overopt.engine.stage import Job
from overopt.estimators.uncertainty import standard_error
from overopt.models.build import load_language_model, load_tokenizer
from overopt.models.log_probs import KL, sample_kl
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Prompts, Samples, decode
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluation, Evaluator
from overopt.plan.stage_specs import Optimising
from overopt.rewards.joined import load_proxy
from overopt.rewards.scoring import Scale
from overopt.stages.curve_rows import Row, curve_identity, write_curve, write_texts
from overopt.stages.pool import column_of, loaded_golds, scaled_gold
from overopt.stages.prompts import encoded, encoded_prompts
from overopt.stages.watching import Watchers
from overopt.util.files import read_json

Judge = Callable[[Samples], Tensor]


class Recorder:
    """Scores of a policy's completions of the evaluation prompts, and of the prompts for show, look after look.

    proxy: what the policy is optimised against, the parent `proxy` if it is not given; golds: what looks on; all on their
    scales; metrics: what describes the proxy, its parent's if it is not given; kept: what there is so far, as JSON, to be
    filled by a run that goes on from a checkpoint.
    """

    def __init__(
        self,
        job: Job[Optimising],
        method: str,
        *,
        minibatch: int,
        evaluation_samples: int,
        proxy: Judge | None = None,
        metrics: dict[str, Any] | None = None,
    ) -> None:
        spec, device = job.spec, job.runtime.device
        self.job, self.method, self.evaluation_samples = job, method, evaluation_samples
        self.proxy: Judge = proxy or parent_proxy(job, minibatch)
        self.golds = {
            role: scaled_gold(job.parents["pool"], role, gold) for role, gold in loaded_golds(job).items()
        }
        self.minibatch = minibatch
        self._watchers = Watchers(job, minibatch=minibatch) if spec.watched else None
        # where a round of RLHF starts from an optimised policy, KL is from the policy that all rounds began with
        self._initial = (
            load_language_model(job.parents["initial"] / "model", device, frozen_dtype(spec.frozen))
            if "initial" in job.parents
            else None
        )
        self.prompts: Prompts = encoded_prompts(job, "evaluation", spec.evaluation_prompts)
        self._show, self._tokenizer = (
            encoded(job, spec.show_prompts),
            load_tokenizer(job.parents["tokenizer"]),
        )
        described = metrics or read_json(job.parents["proxy"] / "metrics.json")
        self._common = curve_identity(job, described) | {
            "method": method,
            "kl_penalty": spec.kl_penalty,
            "kl_kind": "exact",
            "prompts": len(self.prompts),
            "samples": evaluation_samples,
        }
        self.kept: dict[str, list[Row]] = {"rows": [], "by_prompt": [], "texts": []}

    def evaluator(self, reference: PreTrainedModel) -> Evaluator:
        """What samples the evaluation prompts, and measures KL from `reference`."""
        self._reference = self._initial or reference
        return Evaluator(
            reference=reference,
            prompts=self.prompts,
            per_prompt=self.evaluation_samples,
            completion_tokens=self.job.spec.completion_tokens,
            seed=self.job.spec.seed,
            batch=self.job.runtime.batch,
        )

    def look(self, evaluation: Evaluation, **columns: float) -> None:
        """Score one evaluation, and what its policy makes of the prompts for show; `columns`: what else is known of it."""
        policy = evaluation.policy
        scores = self.scores(evaluation.samples)
        from_initial = sample_kl(policy, self._initial, evaluation.samples) if self._initial else None
        point, of_prompts = curve_point(evaluation, scores, len(self.prompts), from_initial)
        seen = (
            self._watchers.look(evaluation.samples, scores["proxy"], self._reference)
            if self._watchers
            else {}
        )
        self.kept["rows"].append(self._common | point | seen | columns)
        self.kept["by_prompt"] += of_prompts
        spec, batch = self.job.spec, self.job.runtime.batch
        draws = generator(spec.seed, "show")
        shown = sample_many(policy, self._show, 1, spec.completion_tokens, generator=draws, batch=batch)
        of_shown = self.scores(shown)
        shown_scores = zip(*(of_shown[name].tolist() for name in ("gold", "proxy")), strict=True)
        completions = decode(shown.ids, self._tokenizer)
        for prompt, completion, (g, p) in zip(spec.show_prompts, completions, shown_scores, strict=True):
            text = {"prompt_text": prompt, "completion": completion, "n": None, "step": evaluation.step}
            self.kept["texts"].append(text | {"kl": point["kl"], "gold": g, "proxy": p})

    def scores(self, samples: Samples) -> dict[str, Tensor]:
        """The proxy and every view of every gold, by the name of the column that curves have for it."""
        found = {"proxy": self.proxy(samples)}
        for role, gold in self.golds.items():
            for view, values in gold(samples, batch=self.minibatch).items():
                found[column_of(role, view)] = values
        return found

    def write(self) -> None:
        """The curve and the texts, into the job's folder."""
        write_curve(self.job, self.kept["rows"], self.kept["by_prompt"])
        write_texts(self.job, self.method, self.kept["texts"])


def parent_proxy(job: Job[Optimising], batch: int) -> Judge:
    """The parent `proxy`, on the scale that the parent `scale` has for it."""
    proxy = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(job.spec.frozen))
    scale = Scale.load(job.parents["scale"], "proxy")
    # batches of the study, not of the machine: the policy learns from the last bits of a reward
    return lambda samples: scale(proxy.score(samples, batch=batch))


def curve_point(
    evaluation: Evaluation,
    scores: dict[str, Tensor],
    prompts: int,
    from_initial: KL | None = None,
) -> tuple[Row, list[Row]]:
    """One evaluation as a row of the curves table and one row a prompt; samples of a prompt stand in a row.

    `from_initial` is the KL from the base policy where the run started from another one.
    """
    kl = from_initial or evaluation.kl
    values = scores | {
        "kl": kl.exact.clamp_min(0),  # a sum of non-negative terms, up to rounding
        "kl_k1": kl.k1,
        "kl_k3": kl.k3.clamp_min(0),
        "length": evaluation.samples.lengths,
    }
    if from_initial:
        values["kl_round"] = evaluation.kl.exact.clamp_min(0)
    means = {name: value.double().reshape(prompts, -1).mean(-1) for name, value in values.items()}
    point: Row = {name: mean.mean().item() for name, mean in means.items()}
    for name in {"gold", "proxy", "kl", "gold_second", *STRICTNESS} & set(means):
        point[f"{name}_se"] = float(standard_error(means[name].tolist()))
    iteration = evaluation.iteration
    point |= {
        "step": evaluation.step,
        "clip_fraction": iteration.clip_fraction if iteration else None,
        "entropy": iteration.entropy if iteration else None,
    }
    of_prompts = [
        {"step": evaluation.step, "prompt": k}
        | {name: means[name][k].item() for name in ("kl", "gold", "proxy", *STRICTNESS) if name in means}
        for k in range(prompts)
    ]
    return point, of_prompts
