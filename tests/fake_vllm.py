"""A package `vllm`, as far as it is used, whose engine draws with one of our models."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch


class FakeEngine:
    """`vllm.LLM` as far as it is used. `keep_eos`: whether the token that ends a completion stands in it."""

    def __init__(self, model, tokenizer, keep_eos=True):
        self.model, self.tokenizer, self.keep_eos, self.asked = model, tokenizer, keep_eos, []

    def generate(self, prompts, sampling_params, use_tqdm):
        from overopt.models.samples import Prompts
        from overopt.models.sampling import sample_many
        from overopt.models.seeding import generator

        answers = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            self.asked.append((prompt["prompt_token_ids"], params))
            ids = torch.tensor([prompt["prompt_token_ids"]])
            made = sample_many(
                self.model,
                Prompts(ids, torch.ones_like(ids, dtype=torch.bool)),
                params.n,
                params.max_tokens,
                generator=generator(params.seed, "x"),
            )
            outputs = []
            for row, inside in zip(made.ids, made.mask, strict=True):
                tokens = row[inside].tolist()
                ended = tokens[-1] == self.tokenizer.eos_token_id
                kept = tokens if self.keep_eos or not ended else tokens[:-1]
                outputs.append(
                    SimpleNamespace(token_ids=tuple(kept), finish_reason="stop" if ended else "length")
                )
            answers.append(SimpleNamespace(outputs=outputs))
        return answers


@pytest.fixture(name="vllm")
def fake_vllm(monkeypatch):
    """The package. `loaded`: the models that engines were made of; `alive`: how many engines there are now."""
    fake = ModuleType("vllm")
    fake.__version__, fake.loaded, fake.alive = "0.0.0", [], 0

    class Engine(FakeEngine):
        def __init__(self, model, dtype, generation_config):
            from overopt.models.pretrained import load_policy

            assert (dtype, generation_config) == ("float32", "vllm")
            assert fake.alive == 0, "two engines do not fit on a GPU"
            super().__init__(*load_policy(model))
            fake.loaded.append(model)
            fake.alive += 1

        def __del__(self):
            fake.alive -= 1

    fake.LLM = Engine
    fake.SamplingParams = lambda **fields: SimpleNamespace(**fields)
    monkeypatch.setitem(sys.modules, "vllm", fake)
    return fake
