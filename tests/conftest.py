"""Small things that several tests share. overopt is imported inside: jaxtyping's hook must be set first."""

import contextlib
import resource

import pytest
import torch
from book_fixtures import smoke_book  # noqa: F401
from clone_fixtures import clone  # noqa: F401
from smoke_fixtures import smoke_store  # noqa: F401
from tiny_models import saved  # noqa: F401

torch.set_num_threads(1)

WHOLE = {"smoke_store", "smoke_book"}  # fixtures that compute a study, or build its book


def pytest_collection_modifyitems(items):
    """Marks what needs a whole study: `make test-fast` leaves it out."""
    for item in items:
        if WHOLE & set(item.fixturenames):
            item.add_marker("study")


TEXTS = [
    "The film was good and the end was better.",
    "I did not like the film at all!",
    "A slow start, a dull middle and no end.",
    "She plays the part well; he does not.",
    "Was it good? It was, and then it was not.",
]


@pytest.fixture(autouse=True, scope="session")
def memory_is_not_given_back():
    """Before a stage a worker collects garbage; among all that tests have imported that takes longer than most stages."""
    from overopt.engine import store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "reset_peak", lambda device: None)
        yield


@pytest.fixture
def disk_full_at():
    """In the block that this opens, the system refuses to write a file beyond so many bytes, as on a full disk."""

    @contextlib.contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level tokenizer with a few merges, trained on five invented sentences."""
    from overopt.models.build import train_tokenizer

    return train_tokenizer(TEXTS, 300)


@pytest.fixture(scope="session")
def sharpen():
    """Makes an untrained model opinionated: fresh weights predict almost uniformly, and hide mistakes."""

    def scaled(model, factor=5.0):
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.mul_(factor)
        return model.eval()

    return scaled


@pytest.fixture
def language_model(tokenizer, sharpen):
    """A tiny language model over `tokenizer`, far from uniform."""
    from overopt.models.build import new_language_model
    from overopt.study.parts import Shape

    return sharpen(new_language_model(Shape(layers=2, width=16, heads=2), tokenizer, 32, seed=0))


@pytest.fixture
def small_vocabulary(sharpen):
    """Makes a model over pad 0, BOS 1, EOS 2 and a few more tokens: its completions can be enumerated."""
    from transformers import GPT2Config, GPT2LMHeadModel

    def make(seed, vocabulary=5, factor=2.5, width=16):
        config = GPT2Config(
            vocab_size=vocabulary,
            n_positions=16,
            n_embd=width,
            n_layer=1,
            n_head=2,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=0.1,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return sharpen(GPT2LMHeadModel(config), factor)

    return make


@pytest.fixture
def all_completions():
    """Makes Samples that hold every completion of up to `limit` tokens of one prompt, each once."""
    from overopt.models.samples import Prompts, Samples

    def make(prompt, vocabulary, limit, *, eos=2, pad=0):
        rows = [[]]
        for _ in range(limit):
            rows = [
                grown
                for row in rows
                for grown in ([row] if row[-1:] == [eos] else [[*row, token] for token in range(vocabulary)])
            ]
        ids = torch.tensor([row + [pad] * (limit - len(row)) for row in rows])
        mask = torch.tensor([[t < len(row) for t in range(limit)] for row in rows])
        heads = torch.tensor([prompt]).expand(len(rows), -1)
        return Samples(Prompts(heads, torch.ones_like(heads, dtype=torch.bool)), ids, mask)

    return make


@pytest.fixture
def runtime(tmp_path):
    """How toy stages are run: one worker, in a store of the test's own."""
    from overopt.engine.stage import Runtime

    return Runtime(device="cpu", batch=8, workers=1, store=tmp_path / "store")


@pytest.fixture
def store(runtime):
    """The store of `runtime`."""
    from overopt.engine.store import Store

    return Store(runtime.store)
