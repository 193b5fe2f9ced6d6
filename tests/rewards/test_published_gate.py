"""What the gate of `laptop`'s gold takes for language: its published judges, asked about people's sentences and loops."""

import numpy as np
import polars as pl
import pytest
import torch

from overopt.engine.store import Store
from overopt.models.build import load_language_model, load_reward_model, train_tokenizer
from overopt.models.samples import split_rows
from overopt.plan.study_plan import plan
from overopt.rewards.gated_gold import Gate, Judged, mean_log_prob
from overopt.rewards.repetition import repeats_itself
from overopt.rewards.scoring import score
from overopt.study.study import load_study

STUDY = "laptop"
PRAISE = ("wonderful", "excellent", "superb", "brilliant", "great", "fantastic")
COMPLAINT = ("terrible", "awful", "worst", "boring", "waste", "horrible")
FINE = (
    "After this Ben Stiller is a great actor.",
    "The acting in this one is excellent.",
    "It was a nice, lyrical film and a great performance.",
    "The second half of the film is a great classic.",
    "What stays with me is the wonderful performance of the young actress and the beautiful music.",
    "I watched this one with my wife and we both loved it.",
    "I watched this one with my wife and we both hated it.",
    "The second half of the film is boring, stupid and a complete waste of time.",
    "The acting in this one is great, the story is great and the music is great.",
    "It was a good film, a funny film and a sad film at the same time.",
    "The film was very, very good and I loved it very much.",
)
BROKEN = (
    "I watched this one with a great film, a great film, a great film.",
    "The second half of the film is a great film, a great film, a great film, a great film.",
    "The acting in this one is a great movie, a great film, a great film, a great film.",
    "I watched this one with a great great cast is great great.",
    "The second half of the film, the best, the best, a great film, all.",
    "What stays with me is a great story, and a great story, and a great story.",
    "The second half of the film is a great great cast.",
    "I watched this one with and and and and and and and and and",
    "The film was so very wonderful wonderful wonderful wonderful wonderful",
    "What stays with me is great great great great great great great great",
    "What stays with me is excellent excellent excellent excellent excellent excellent excellent",
    "The film was so very ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !",
    "The acting in this one is great great excellent excellent excellent performance",
    "The second half of the film is a great great great great great great great movie.",
)


@pytest.fixture(scope="module")
def sentences(smoke_store):
    """Of `laptop`'s corpus, which is that of `smoke`."""
    corpus = next(stage for stage in plan(load_study(STUDY)).stages if stage.name == "corpus")
    return pl.read_parquet(Store(smoke_store).path(corpus) / "sentences.parquet")


@pytest.fixture(scope="module")
def passes(smoke_store, sentences):
    """How surely each text passes for language, gates set by people's sentences that no part of gold was trained on."""
    study, store = load_study(STUDY), Store(smoke_store)
    folders = {stage.title: store.path(stage) for stage in plan(study).stages if stage.title in JUDGES}
    language = load_language_model(folders["language model judge"] / "model")
    real = load_reward_model(folders["classifier of real text"] / "model")
    texts = sentences.filter(split="language_model")["text"].to_list()
    tokenizer = train_tokenizer(texts, study.text.vocabulary)

    def judged(asked):
        heads = [1 + len(tokenizer(" ".join(text.split()[:5]))["input_ids"]) for text in asked]
        ends = [tokenizer.bos_token_id], [tokenizer.eos_token_id]
        rows = [[*ends[0], *tokenizer(text)["input_ids"], *ends[1]] for text in asked]
        cut = [row[: head + study.text.completion_tokens] for row, head in zip(rows, heads, strict=True)]
        samples = split_rows(cut, heads, tokenizer)
        nothing = torch.zeros(len(samples))
        repeats = torch.tensor([repeats_itself(text) for text in asked])
        return Judged(nothing, mean_log_prob(language, samples), score(real, samples), repeats)

    unseen = [
        text for text in sentences.filter(split="evaluation")["text"].to_list() if len(text.split()) >= 8
    ]
    people = judged(unseen[:1500])
    gate = Gate(*(float(np.quantile(part, study.gold.doubted)) for part in (people.likelihood, people.real)))
    return lambda asked: judged(list(asked)).passes(gate)


JUDGES = {"language model judge", "classifier of real text"}


@pytest.mark.xdist_group("smoke")
def test_good_english_is_never_called_spoilt_and_loops_always_are(passes):
    for text, value in zip(FINE, passes(FINE).tolist(), strict=True):
        assert value > 0.9, text
    for text, value in zip(BROKEN, passes(BROKEN).tolist(), strict=True):
        assert value < 0.1, text


@pytest.mark.xdist_group("smoke")
def test_praise_and_complaints_of_people_pass_alike(passes, sentences):
    unseen = sentences.filter(split="evaluation")["text"].to_list()

    def with_one_of(words):
        found = [
            text for text in unseen if 9 <= len(text.split()) <= 20 and set(text.lower().split()) & {*words}
        ]
        return passes(found[:200]).double()

    praise, complaint = with_one_of(PRAISE), with_one_of(COMPLAINT)
    assert min(len(praise), len(complaint)) >= 50
    assert praise.mean() > 0.85
    assert complaint.mean() > 0.85
    assert abs(praise.mean() - complaint.mean()) < 0.08
