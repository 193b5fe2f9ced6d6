"""What the page on other people's models shows of a study of them: the page's own, or the one that the book has."""

import polars as pl

from overopt import api
from overopt.analysis import page_tables
from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.results import Results
from overopt.plan.prices import Costs
from overopt.report import texts
from overopt.report.falls import say_falls
from overopt.report.sentences import say_seeds, say_source, say_trend
from overopt.study.study import PretrainedStudy
from overopt.util.words import number, short_number

STUDY = "pretrained-cpu"
MODELS = (  # of `STUDY`
    "The policy of the study `pretrained-cpu` is SmolLM2-135M-Instruct {cite}`allal2025smollm2`. It completes the "
    "beginnings of review sentences as plain text. Gold is the lower third of the same model; its last layers learned from "
    "human ratings. Some proxies are fewer of its layers. Others are small models with its vocabulary, which were trained "
    "on nothing before."
)
UNGATED = "Nobody showed this gold what is no text. The samples below the figure show how far to believe it."


def shown(results: Results) -> Evidence | None:
    """The evidence of `results` if they are of the world `pretrained`, else of `STUDY` if the book has it."""
    if results.study.world == "pretrained":
        return Evidence(results)
    found = api.load_committed(STUDY)
    return Evidence(found) if found else None


def sizes(evidence: Evidence | None) -> Slice | None:
    """The curves by proxy size."""
    return evidence.sizes if evidence else None


def say_outcome(evidence: Evidence | None) -> str:
    """What best-of-n came to, and the run that it was measured in."""
    if evidence is None:
        return f"*The study `{STUDY}` is not in this book yet; `overopt run {STUDY}` computes it.*"
    peaks = evidence.sizes.peaks("bon")
    return (
        f"**Best-of-n.** {say_trend(peaks, 'gold', 'the highest gold')} {say_falls(peaks)} "
        f"{say_seeds(evidence.sizes.curves)} {say_source(evidence.results)}"
    )


def say_models(evidence: Evidence | None) -> str:
    """What the models of `STUDY` are; nothing where another study is shown, or none."""
    return MODELS if evidence is not None and evidence.results.study.name == STUDY else ""


def say_gold(evidence: Evidence | None) -> str:
    """How large and how valid gold is, and what it labelled; nothing where the book has no such study."""
    if evidence is None:
        return ""
    gold, pairs = evidence.results.chain["gold"], evidence.results.chain["pairs"]
    sentences = [f"Gold has {short_number(gold['params'])} parameters outside its embeddings."]
    if "pearson" in gold:
        sentences.append(
            f"Its correlation with held-out human ratings is {number(gold['pearson'])} "
            f"(a linear model on word weights: {number(gold['pearson_baseline'])}). On film reviews it is "
            f"{number(gold['pearson_movie'])} ({number(gold['pearson_movie_baseline'])})."
        )
    sentences.append(
        f"It labelled {pairs['train']:,} pairs for training, and {pairs['held_out']:,} that are held out."
    )
    return " ".join(sentences)


def say_ppo(evidence: Evidence | None) -> str:
    """How the policy was optimised with PPO, and what came of it; nothing where it was not."""
    if evidence is None or not isinstance(study := evidence.results.study, PretrainedStudy) or not study.ppo:
        return ""
    run, lora = study.ppo.run, study.policy_lora
    learns = f"adapters of rank {lora.rank}" if lora else "all weights"
    ends = evidence.plain.filter(method="ppo").group_by("record").agg(pl.col("step", "kl").last())
    steps, kl = ends["step"].to_list(), ends["kl"].to_list()
    ungated = f" {UNGATED}" if "pearson" in evidence.results.chain["gold"] else ""
    return (
        f"**PPO.** {say_falls(evidence.sizes.peaks('ppo'))} It learns {learns}, in batches of {run.batch} completions (the "
        f"paper: 256), {run.minibatch} a step, at a learning rate of {run.learning_rate:g}. A run may take {run.max_steps} "
        f"batches, and go as far as {run.max_kl:g} nats. The {ends.height} runs took {min(steps)} to {max(steps)} batches "
        f"and came {number(min(kl), 1)} to {number(max(kl), 1)} nats far.{ungated}"
    )


def proxies(evidence: Evidence | None) -> pl.DataFrame:
    """See `page_tables.highest_by_proxy`."""
    return page_tables.highest_by_proxy(evidence) if evidence else pl.DataFrame()


def ppo_texts(evidence: Evidence | None) -> pl.DataFrame:
    """See `texts.ppo_texts`."""
    if evidence is None or evidence.results.study.ppo is None:
        return pl.DataFrame()
    return texts.ppo_texts(evidence.results.texts, evidence.plain)


def costs(evidence: Evidence | None) -> Costs | None:
    """What the stages of `STUDY` took, if it is what is shown."""
    known = evidence is not None and evidence.results.study.name == STUDY
    return evidence.results.record["costs"] if evidence and known else None
