"""What a policy says of completions is the same whether their common beginnings are read once or again and again."""

import pytest
import torch

from overopt.models.log_probs import token_log_probs, total_log_probs
from overopt.models.samples import Prompts, Samples


@pytest.fixture
def branching():
    """Samples of two tokens, so that most begin as others do; of one row's prompt a part is another's completion."""
    torch.manual_seed(0)
    count, prompt, completion = 90, 4, 5
    heads, lengths = torch.randint(1, prompt + 1, (count,)), torch.randint(1, completion + 1, (count,))
    texts = torch.randint(7, 9, (count, prompt + completion))
    texts[:, 0] = 1
    padded = torch.zeros(count, prompt, dtype=torch.long)
    ids = torch.zeros(count, completion, dtype=torch.long)
    for k, (head, length) in enumerate(zip(heads.tolist(), lengths.tolist(), strict=True)):
        padded[k, prompt - head :] = texts[k, :head]
        ids[k, :length] = texts[k, head : head + length]
    inside = torch.arange(prompt) >= prompt - heads[:, None]
    return Samples(Prompts(padded, inside), ids, torch.arange(completion) < lengths[:, None])


def test_totals_are_sums_over_tokens(small_vocabulary, branching):
    model = small_vocabulary(0, vocabulary=9)
    with torch.inference_mode():
        alone = torch.cat([token_log_probs(model, branching[k : k + 1]).sum(-1) for k in range(90)])
    found = total_log_probs(model, branching)
    torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-5)
    assert torch.equal(total_log_probs(model, branching, batch=7), found)
    order = torch.randperm(90)
    torch.testing.assert_close(total_log_probs(model, branching[order]), alone[order], atol=1e-4, rtol=1e-5)
