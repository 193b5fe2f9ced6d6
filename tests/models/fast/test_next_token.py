"""Log-probabilities and KL of the next token against torch's own, with their gradients."""

import pytest
import torch
from torch import nn

from overopt.models.fast.next_token import ROWS, log_probs_after, log_probs_of, next_token_kl

TOKENS, WIDTH, VOCABULARY = 2 * ROWS + 5, 12, 40


def draw(*shape, scale=1.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def head(bias=False, scale=1.0):
    made = nn.Linear(WIDTH, VOCABULARY, bias=bias)
    with torch.no_grad():
        made.weight.copy_(draw(VOCABULARY, WIDTH, scale=scale))
    return made


@pytest.fixture
def ids():
    return torch.randint(VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(0))


def gradients(model, ids, slope, log_probs):
    """Log-probabilities by `log_probs`, and the gradients of their sum times `slope`."""
    hidden = draw(TOKENS, WIDTH).requires_grad_()
    values = log_probs(model, hidden, ids)
    return values, *torch.autograd.grad((values * slope).sum(), [hidden, model.weight])


def by_torch(model, hidden, ids):
    return log_probs_of(model(hidden), ids)


@pytest.mark.parametrize("scale", [1.0, 60.0])  # the second has log-probabilities below -500
@pytest.mark.parametrize("bias", [False, True])  # with a bias it goes through torch
def test_log_probs_and_their_gradients_are_those_of_torch(ids, scale, bias):
    model, slope = head(bias, scale), draw(TOKENS)
    found = [gradients(model, ids, slope, log_probs) for log_probs in (log_probs_after, by_torch)]
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * scale)
    with torch.no_grad():
        values = log_probs_after(model, draw(TOKENS, WIDTH), ids)
    assert torch.allclose(values, found[1][0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("offset", [0.0, -100.0, -1000.0])
def test_what_all_logits_share_changes_nothing(offset):
    """Against float64: a nearly sure token keeps its small gradient and log-probability."""
    model = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[offset, 8.0], [offset, 0.0], [offset, -3.0]]))
    found = []
    for kind in (torch.float32, torch.float64):
        model, hidden = model.to(kind), torch.ones(1, 2, dtype=kind, requires_grad=True)
        values = log_probs_after(model, hidden, torch.tensor([0])) if kind == torch.float32 else None
        values = model(hidden).log_softmax(-1)[:, 0] if values is None else values
        found.append((values, torch.autograd.grad(values.sum(), hidden)[0]))
    (value, slope), (exact, exact_slope) = found
    assert value.item() == pytest.approx(exact.item(), abs=2e-7)
    # the first gradient is 0, a sum of terms as large as the offset times the second
    assert slope[0, 0].item() == pytest.approx(0.0, abs=1e-6 + 3e-8 * abs(offset))
    assert slope[0, 1].item() == pytest.approx(exact_slope[0, 1].item(), rel=1e-4)


def test_mixed_precision_reads_in_bfloat16(ids):
    model, slope = head(), draw(TOKENS)
    exact = gradients(model, ids, slope, by_torch)
    with torch.autocast("cpu", torch.bfloat16):
        fast = gradients(model, ids, slope, log_probs_after)
    for ours, theirs in zip(fast, exact, strict=True):
        assert 0 < (ours - theirs).norm() < 0.02 * theirs.norm()


def test_gradients_against_differences(ids):
    model, few = head(), ids[:6]

    def mean(hidden):
        return log_probs_after(model, hidden, few).mean()

    hidden, step = draw(6, WIDTH).requires_grad_(), 1e-2
    slope = torch.autograd.grad(mean(hidden), hidden)[0]
    for row, column in ((0, 0), (3, 7), (5, 11)):
        way = torch.zeros_like(hidden)
        way[row, column] = step
        with torch.no_grad():
            difference = mean(hidden + way) - mean(hidden - way)
        assert float(difference) / (2 * step) == pytest.approx(float(slope[row, column]), abs=2e-4)


def test_a_frozen_head_or_frozen_states_get_no_gradient(ids):
    model, hidden = head(), draw(TOKENS, WIDTH)
    log_probs_after(model, hidden, ids).sum().backward()
    assert model.weight.grad is not None
    model.requires_grad_(False)
    assert not log_probs_after(model, hidden, ids).requires_grad
    log_probs_after(model, hidden.requires_grad_(), ids).sum().backward()
    assert hidden.grad is not None


def test_a_second_pass_backward_is_refused(ids):
    total = log_probs_after(head(), draw(TOKENS, WIDTH), ids).sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError):
        total.backward()


def test_kl_and_log_ratio_against_their_definitions(ids):
    sides = [(model, draw(TOKENS, WIDTH)) for model in (head(), head(scale=0.5))]
    with torch.no_grad():
        kl, ratio = next_token_kl(*sides, ids)
        p, q = (torch.distributions.Categorical(logits=model(hidden).double()) for model, hidden in sides)
    assert torch.allclose(kl.double(), torch.distributions.kl_divergence(p, q), atol=1e-5)
    assert torch.allclose(ratio.double(), p.log_prob(ids) - q.log_prob(ids), atol=1e-5)
