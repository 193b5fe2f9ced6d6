"""The reward model that a policy secretly is: beta log(pi / pi0), which direct alignment fits to labelled pairs."""

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.log_probs import total_log_probs
from overopt.models.samples import Samples
from overopt.rewards.pairs import LabelledPairs
from overopt.rewards.scoring import Scale, proxy_gain


class ImplicitReward:
    """What `policy` thinks of completions, on gold's scale: as a proxy does, which it is to be compared with.

    policy: learns in place, so that the reward is that of the moment; `calibrate` puts it on its scale anew. beta: logits a
    nat; held_out: pairs that it does not learn from, with margins of gold in base-policy SDs; base: samples of the policy
    as it was, whose mean reward becomes 0; batch: texts at once, changes no result.

    Rafailov et al. 2023, eq. 5; the partition function is the same for two completions of a prompt and left out.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel,
        beta: float,
        held_out: LabelledPairs,
        base: Samples,
        *,
        batch: int,
    ) -> None:
        self.policy, self.reference, self.beta, self.batch = policy, reference, beta, batch
        self.held_out, self._texts = held_out, (held_out.first, held_out.second, base)
        self._before = [total_log_probs(reference, texts, batch=batch) for texts in self._texts]
        self.scale = Scale(0.0, 0.0)

    def calibrate(self) -> dict[str, float]:
        """Put the reward on gold's scale, as it is now; loss and accuracy on held-out pairs, by the curves' columns.

        The gain is that of proxies (`proxy_gain`). Of a policy that has not learnt yet the reward is 0 everywhere: half of
        the pairs are right.
        """
        first, second, base = (
            self.beta * (total_log_probs(self.policy, texts, batch=self.batch) - before).double()
            for texts, before in zip(self._texts, self._before, strict=True)
        )
        margins = (first - second).numpy()
        gain = proxy_gain(margins, self.held_out.margin.double().numpy())
        self.scale = Scale.centred(gain, base.mean().item())
        return held_out_metrics(margins, self.held_out.first_wins.numpy())

    def __call__(self, samples: Samples) -> Float[Tensor, " samples"]:
        """The reward of each completion, in base-policy SDs as last calibrated."""
        now, before = (
            total_log_probs(model, samples, batch=self.batch) for model in (self.policy, self.reference)
        )
        return self.scale(self.beta * (now - before))


def held_out_metrics(margins: Float64[np.ndarray, " pairs"], first_wins: np.ndarray) -> dict[str, float]:
    """Log-sigmoid loss (nats a pair) and accuracy of raw margins on labelled pairs, by the names that curves have for them.

    >>> found = held_out_metrics(np.array([0.0, 2.0]), np.array([True, True]))
    >>> found["rm_accuracy"], round(found["rm_loss"], 3)  # no margin is half right
    (0.75, 0.41)
    """
    signed = np.where(first_wins, margins, -margins)
    return {
        "rm_loss": float(np.logaddexp(0, -signed).mean()),
        "rm_accuracy": float((signed > 0).mean() + 0.5 * (signed == 0).mean()),
    }
