"""Joined scores against closed forms, and ensembles as they are kept and read."""

import os
import typing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from overopt.models.build import new_reward_model, save_model
from overopt.rewards.joined import JOINS, Ensemble, Single, first_model, load_proxy, save_ensemble
from overopt.rewards.scoring import Scale, scale_head, score
from overopt.study.ensemble_parts import JoinName

SCORES = arrays(np.float32, (5, 7), elements=st.floats(-8, 8, width=32)).map(torch.from_numpy)
NORMAL = torch.randn(5, 200, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def reward_model(small_vocabulary, sharpen):
    """Makes a reward model whose head, and all else, has this seed."""
    return lambda seed: sharpen(new_reward_model(small_vocabulary(seed), seed), 3.0)


@pytest.fixture
def samples(all_completions):
    return all_completions([1, 3], 5, 3)


def test_a_study_may_ask_for_every_join():
    assert typing.get_args(JoinName) == tuple(JOINS)


def test_joins_are_their_closed_forms():
    values = NORMAL.double().numpy()
    expected = {
        "mean": values.sum(0) / 5,
        "worst": np.sort(values, 0)[0],
        # E[x^2] - E[x]^2
        "variance": values.mean(0) - 0.7 * ((values**2).mean(0) - values.mean(0) ** 2),
    }
    for name, join in JOINS.items():
        found = join(NORMAL, 0.7)
        assert found.dtype == NORMAL.dtype
        np.testing.assert_allclose(found.numpy(), expected[name], atol=2e-6, err_msg=name)
    assert not np.allclose(expected["mean"], expected["variance"], atol=0.1)


@given(SCORES, st.floats(0.01, 5))
def test_caution_never_adds_and_no_member_comes_first(scores, weight):
    mean = JOINS["mean"](scores, weight)
    assert (JOINS["worst"](scores, weight) <= mean).all()
    assert (JOINS["variance"](scores, weight) <= mean).all()
    for name, join in JOINS.items():
        torch.testing.assert_close(join(scores.flip(0), weight), join(scores, weight), msg=name)


@given(SCORES, st.floats(0.01, 5), st.sampled_from(sorted(JOINS)))
def test_members_that_agree_are_one(scores, weight, name):
    same = scores[:1].expand(5, -1)
    assert torch.equal(JOINS[name](same, weight), scores[0])


@pytest.mark.parametrize("name", sorted(JOINS))
def test_an_ensemble_joins_what_its_members_say_on_their_scales(reward_model, samples, tmp_path, name):
    models = [reward_model(seed) for seed in range(3)]
    scales = [Scale(0.5, 1.0), Scale(2.0, -1.0), Scale(0.1, 0.25)]
    folders = [tmp_path / str(k) for k in range(3)]
    for model, folder in zip(models, folders, strict=True):
        save_model(model, folder)
    save_ensemble(tmp_path / "joined", folders, scales, join=name, weight=0.7)
    on_scales = [scale(score(model, samples)) for model, scale in zip(models, scales, strict=True)]
    found = load_proxy(tmp_path / "joined").score(samples, batch=512)
    torch.testing.assert_close(found, JOINS[name](torch.stack(on_scales), 0.7), atol=0, rtol=0)
    raw = JOINS[name](torch.stack([score(model, samples) for model in models]), 0.7)
    assert not torch.allclose(found, raw, atol=0.1)  # scales count


@pytest.mark.parametrize("can_link", [True, False])
def test_a_member_is_kept_once_where_it_can_be(reward_model, tmp_path, monkeypatch, can_link):
    if not can_link:
        monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError("another disk")))
    save_model(reward_model(0), tmp_path / "one")
    save_ensemble(tmp_path / "joined", [tmp_path / "one"] * 2, [Scale(1.0, 0.0)] * 2, join="mean")
    first = tmp_path / "one" / "model" / "model.safetensors"
    for k in range(2):
        kept = tmp_path / "joined" / f"member_{k}" / "model" / "model.safetensors"
        assert kept.samefile(first) == can_link
        assert kept.read_bytes() == first.read_bytes()


def test_a_single_proxy_says_what_its_model_does(reward_model, samples, tmp_path):
    model = reward_model(0)
    save_model(model, tmp_path)
    found = load_proxy(tmp_path)
    assert isinstance(found, Single)
    torch.testing.assert_close(found.score(samples, batch=7), score(model, samples, batch=7))


def test_an_ensemble_may_be_a_member(reward_model, samples):
    one, two = (Single(reward_model(seed)) for seed in (0, 1))
    unit = Scale(1.0, 0.0)
    pair = Ensemble([(one, unit), (two, unit)], "mean")
    nested = Ensemble([(pair, Scale(2.0, 0.0)), (one, Scale(0.0, 0.0))], "mean")
    torch.testing.assert_close(nested.score(samples, batch=64), pair.score(samples, batch=64))


@pytest.mark.parametrize("joined", [False, True])
def test_a_value_model_starts_on_the_scale_of_the_proxy(reward_model, samples, tmp_path, joined):
    save_model(reward_model(0), tmp_path / "one")
    own, outer = Scale(0.5, 1.0), Scale(3.0, -2.0)
    folder, expected = tmp_path / "one", score(reward_model(0), samples)
    if joined:
        save_model(reward_model(1), tmp_path / "two")
        folder, expected = tmp_path / "joined", own(expected)
        save_ensemble(folder, [tmp_path / "one", tmp_path / "two"], [own, Scale(9.0, 9.0)], join="worst")
    model, scale = first_model(folder)
    scale_head(model, outer.after(scale))
    torch.testing.assert_close(score(model, samples), outer(expected), atol=1e-5, rtol=1e-5)


def test_a_scale_after_none_is_itself():
    assert Scale(0.123457, -0.98765).after(Scale(1.0, 0.0)) == Scale(0.123457, -0.98765)
