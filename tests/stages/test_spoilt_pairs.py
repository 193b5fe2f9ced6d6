"""What judges of language are trained on: pairs that differ in their text, not in whether it ends."""

from dataclasses import replace

import pytest

from overopt.data.spoil import CORRUPTIONS
from overopt.engine.checkpoint import Checkpoint
from overopt.engine.runner import make_runtime
from overopt.engine.stage import Job
from overopt.engine.store import Store
from overopt.models.build import load_tokenizer
from overopt.plan.stage_specs import RealTextSpec
from overopt.plan.study_plan import plan
from overopt.stages.spoilt_pairs import ending_alike, held_out_pairs, trained_pairs
from overopt.study.study import load_study

EOS = 2


def test_pairs_end_alike():
    real = [[1, 5, 6, 7, EOS], [1, 5, 6, 7], [1, 5, 6, EOS], [1, 5, 6, 7, 8]]
    spoilt = [[1, 5, 9, 9], [1, 5, EOS], [1, 5, EOS], [1, 5, 9, 9]]
    good, bad = ending_alike(real, spoilt, EOS)
    assert good == [[1, 5, 6], [1, 5], [1, 5, 6, EOS], [1, 5, 6, 7, 8]]
    assert bad == [[1, 5, 9], [1, 5], [1, 5, EOS], [1, 5, 9, 9]]
    assert all((g[-1] == EOS) == (b[-1] == EOS) for g, b in zip(good, bad, strict=True))


@pytest.mark.xdist_group("smoke")
def test_no_text_is_trained_on_and_held_out(smoke_store):
    stage = next(s for s in plan(load_study("smoke")).stages if s.name == "real_text")
    folders = {role: Store(smoke_store).path(parent) for role, parent in stage.parents.items()}
    runtime = replace(make_runtime("cpu"), store=smoke_store)
    nowhere = Checkpoint(smoke_store / "nothing")
    job = Job(
        RealTextSpec.model_validate(stage.spec),
        folders,
        smoke_store,
        runtime,
        lambda done, total: None,
        {},
        nowhere,
    )
    tokenizer = load_tokenizer(folders["tokenizer"])
    parts = [trained_pairs(job, tokenizer), held_out_pairs(job, tokenizer, job.spec.texts)]
    assert [set(part) for part in parts] == [{*CORRUPTIONS}] * 2
    texts = [{tuple(row) for real, _ in part.values() for row in real} for part in parts]
    assert not texts[0] & texts[1]
    assert 0.05 < len(texts[1]) / len(texts[0]) < 0.2
    for part in parts:
        for real, bad in part.values():
            assert len(real) == len(bad) > 0
            assert all(len(row) <= 1 + 14 + 12 for row in real + bad)
            assert all((r[-1] == EOS) == (b[-1] == EOS) for r, b in zip(real, bad, strict=True))
