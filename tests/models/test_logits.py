"""Which logit is the reward: the one that is named, or the difference; with several, nothing is taken unasked."""

import pytest
import torch
from transformers import LlamaConfig

from overopt.models.logits import which_logit
from overopt.util.errors import UserError

LOGITS = torch.tensor([[1.0, 5.0, -2.0]])


def config(*labels):
    return LlamaConfig(id2label=dict(enumerate(labels)))


@pytest.mark.parametrize(
    ("labels", "asked", "value"),
    [
        (("bad", "good", "non-bad"), "good", 5.0),
        (("bad", "good", "non-bad"), "good-bad", 4.0),
        (("bad", "good", "non-bad"), "bad-good", -4.0),
        (("bad", "good", "non-bad"), "non-bad", -2.0),
        (("bad", "good", "non-bad"), "non-bad-bad", -3.0),
        (("bad", "good", "non-bad"), "bad-non-bad", 3.0),
        (("LABEL_0", "LABEL_1", "LABEL_2"), "LABEL_1-LABEL_2", 7.0),
    ],
)
def test_a_label_or_a_difference(labels, asked, value):
    assert which_logit("m", config(*labels), asked).of(LOGITS).tolist() == [value]


def test_the_only_one_needs_no_name():
    assert which_logit("m", config("reward"), None).of(LOGITS).tolist() == [1.0]
    assert which_logit("m", config("reward"), "reward").of(LOGITS).tolist() == [1.0]


@pytest.mark.parametrize(
    ("labels", "asked", "message"),
    [
        (("bad", "good"), None, r"found 2 logits, 'bad', 'good', expected to be told .* --gold-logit"),
        (("bad", "good"), "Good", "found 0 ways to read the logit 'Good' among 'bad', 'good'"),
        (("bad", "good"), "good-worse", "found 0 ways"),
        (("bad", "good"), "good-good", "found 0 ways"),
        (("bad", "good"), "", "found 0 ways"),
        (("reward",), "good", "found 0 ways to read the logit 'good' among 'reward'"),
        (("a", "b", "a-b"), "a-b", "found 2 ways to read the logit 'a-b'"),
        (("a", "b", "a-b", "b-c", "c"), "a-b-c", "found 2 ways"),
        (("good", "good"), "good", "expected the name of one label"),
        (("good", "good", "bad"), "bad-good", "expected the name of one label"),
    ],
)
def test_nothing_is_guessed(labels, asked, message):
    with pytest.raises(UserError, match=message):
        which_logit("m", config(*labels), asked)
