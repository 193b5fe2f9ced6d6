"""Tokens of halved text, and language models that read one half of it."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors import safe_open

from overopt.engine.checkpoint import Checkpoint
from overopt.engine.stage import Job, Runtime
from overopt.models.build import load_tokenizer
from overopt.plan import stage_specs as specs
from overopt.stages import text
from overopt.study.parts import Shape, Spec

SENTENCES = [
    f"It was the {k} th film of {k % 7} and I liked it {'very ' * (k % 4)}much." for k in range(1600)
]


def job_of(spec: Spec, out: Path, **parents: Path) -> Job[Any]:
    runtime = Runtime("cpu", 8, 1, out)
    return Job(spec, parents, out, runtime, lambda done, total: None, {}, Checkpoint(out / "checkpoint"))


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = tmp_path_factory.mktemp("corpus")
    columns = {"text": SENTENCES, "split": "language_model", "review": [k // 4 for k in range(1600)]}
    pl.DataFrame(columns).write_parquet(corpus / "sentences.parquet")
    out = tmp_path_factory.mktemp("tokenizer")
    spec = specs.TokenizerSpec(vocabulary=512, sentence_tokens=64, seed=0, tokens=10**6, halved=True)
    text.tokenizer(job_of(spec, out, corpus=corpus))
    return out


def test_a_review_is_of_one_half(halved: Path) -> None:
    rows = pl.read_parquet(halved / "rows.parquet")
    assert len(rows) == len(SENTENCES)
    tokenizer = load_tokenizer(halved)
    of = {tokenizer.decode(row[1:-1]).strip(): half for row, half in rows.iter_rows()}
    for k, sentence in enumerate(SENTENCES):
        assert of[sentence] == text.HALVES[(k // 4) % 2]


def test_enough_tokens_of_either_half(halved: Path, tmp_path: Path) -> None:
    everything = pl.read_parquet(halved / "rows.parquet")[text.VALIDATION_SENTENCES :]
    least = everything.group_by("half").agg(pl.col("tokens").list.len().sum())["tokens"].min()
    assert isinstance(least, int)
    assert least > 5_000


def test_kept_in_bfloat16_and_read_back(halved: Path, tmp_path: Path) -> None:
    spec = specs.LanguageModelSpec(
        shape=Shape(layers=1, width=8, heads=1),
        tokens=2000,
        batch=8,
        learning_rate=1e-3,
        half="second",
        embedding_gain=15,
        positions=64,
        seed=0,
        kept="bfloat16",
    )
    text.language_model(job_of(spec, tmp_path, tokenizer=halved))
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.bfloat16"}  # noqa: SIM118
