"""Sentences that follow the data: each is true where its numbers lie the other way."""

import fake_evidence
import polars as pl
import pytest

from overopt.report import sentences, strictness, worlds
from overopt.study.study import load_study, parse_study

POLICY = {"temperature": 0.7, "known": 0.98, "real_known": 0.97, "log_prob": -2.1, "real_log_prob": -3.2}


@pytest.mark.parametrize(
    ("log_prob", "said"), [(-2.1, "are likelier than real"), (-4.0, "are less likely than real")]
)
def test_samples_are_likelier_only_where_they_are(log_prob, said):
    assert said in sentences.say_policy(POLICY | {"log_prob": log_prob})
    assert f"−{-log_prob:.2f} nats a token" in sentences.say_policy(POLICY | {"log_prob": log_prob})


def test_accuracy_is_followed_from_size_to_size_as_loss_is():
    proxies = pl.DataFrame(
        {"rm_params": [1, 1, 2, 3], "rm_loss": [0.5, 0.5, 0.6, 0.5], "rm_accuracy": [0.7, 0.74, 0.64, 0.72]}
    )
    assert sentences.say_proxies(proxies).endswith(
        "Accuracy goes from 72% (1 parameters) to 72% (3), lowest 64% (2); in 1 of 2 steps the larger proxy has more."
    )


def entry(number, verdict, statistic, lenient):
    others = {"gold_lenient": lenient}
    return {"claim": number, "verdict": verdict, "statistic": statistic, "check": False} | {
        "by_strictness": others,
        "by_gold_alone": False,
    }


def test_a_verdict_on_what_was_not_measured_is_not_counted_as_agreement():
    unmeasured = entry(9, "cannot tell", None, "cannot tell")
    said = strictness.say_all([entry(1, "holds", 0.5, "holds"), entry(2, "holds", 0.5, "partly"), unmeasured])
    assert said == (
        "Where gold asks half or twice as strictly whether a text is language, 1 of 2 verdicts stay. Claim 2 is judged "
        "otherwise by one of them at least."
    )
    assert strictness.say_all([unmeasured]) == ""


def losses(*extremal):
    rows = {"perfect": 2.0, "correlation": 0.5, "null": 1.0, "gold": 0.8}
    return pl.DataFrame([rows | {"extremal": loss} for loss in extremal])


def test_the_extremal_loss_is_a_range_and_a_single_size_is_not_also_the_largest():
    some, one = sentences.say_losses(losses(0.2, -0.1)), sentences.say_losses(losses(0.2))
    assert "The extremal loss goes from −0.10 to 0.20 SDs over 2 sizes" in some
    assert "The largest proxy has a correlation" in some
    assert "from 0.20 to 0.20 SDs over 1 sizes" in one
    assert "largest proxy" not in one


NAN = float("nan")


@pytest.mark.parametrize(
    ("ppo", "said"),
    [
        (
            [0.5, NAN],
            "best-of-n reaches 90% (from 80% to 100%, with 2 proxy sizes) and PPO reaches 50% (from 50% to 50%, with 1",
        ),
        ([NAN, NAN], "best-of-n reaches 90% (from 80% to 100%, with 2 proxy sizes) in the median."),
    ],
)
def test_a_method_reaches_the_frontier_with_the_sizes_that_it_was_measured_with(monkeypatch, ppo, said):
    found = {
        "rm_params": [1, 2],
        "kl": [0.5, 0.5],
        "proxy_tilt": [1.0, 1.0],
        "proxy_bon": [0.8, 1.0],
        "proxy_ppo": ppo,
    }
    monkeypatch.setattr(sentences, "table", lambda evidence: pl.DataFrame(found))
    assert said in sentences.say_distance(fake_evidence.evidence())


@pytest.mark.parametrize("second", [False, True])
def test_a_second_gold_is_named_among_the_limits_only_where_there_is_one(second):
    fields = load_study("smoke").model_dump(mode="json")
    said = worlds.say_limits(parse_study(fields | {"gold": fields["gold"] | {"second": second}}), 890_000)
    assert "\n- Gold knows real text alone" in said
    assert ("second gold" in said) == second


def test_how_small_a_study_is_beside_the_papers_follows_from_its_policy():
    said = worlds.say_limits(load_study("pretrained-cpu"), 135_000_000)
    assert said.startswith(
        "- This is one world and one task. Its initial policy has 135M parameters, the paper's 1.2 billion"
    )
    assert "Gold" not in said


def test_a_policy_that_nothing_sharpens_is_said_to_make_up_words():
    smoke = load_study("smoke")
    plain = parse_study(smoke.model_dump(mode="json") | {"sharpening": None})
    assert "Sharpened" in worlds.say_departures(smoke)
    assert "makes up words" not in worlds.say_departures(smoke)
    assert "Sharpened" not in worlds.say_departures(plain)
    assert "**The policy makes up words**" in worlds.say_departures(plain)
    assert "not human taste" in worlds.say_departures(plain)


def test_departures_follow_the_study_and_its_policy():
    fields = load_study("smoke").model_dump(mode="json")
    swept = parse_study(fields)
    given = fields["proxies"] | {"learning_rates": {"1k": 0.01, "7k": 0.01}, "embedding_gain": 5, "batch": 32}
    by_hand = parse_study(fields | {"proxies": given, "pairs": {"count": 800, "validation": 0.1}})
    said = worlds.say_departures(swept, POLICY | {"log_prob": -4.0})
    assert "and 2 pairs are of one prompt" in said
    assert "embeddings stay those of its language model" in said
    assert "one seed and 192 pairs" in said
    assert "Pairs a step" not in said
    assert "temperature would be higher" not in said
    assert "temperature would be higher" in worlds.say_departures(swept, POLICY)
    said = worlds.say_departures(by_hand)
    assert "of one prompt" not in said
    assert "learn at 5 times the rate" in said
    assert "language models were not swept" in said
    assert "A step has 32, and 64 in the paper" in said
    assert worlds.say_rates(swept).startswith("A sweep finds")
    assert "no sweep" in worlds.say_rates(by_hand)


@pytest.mark.parametrize(("members", "said"), [(1, "is that of one model"), (2, "is the mean of 2 models")])
def test_gold_is_the_mean_of_as_many_models_as_it_has(members, said):
    fields = load_study("smoke").model_dump(mode="json")
    rating = fields["gold"]["rating"] | {"members": members}
    assert said in worlds.say_gold_is_made(
        parse_study(fields | {"gold": fields["gold"] | {"rating": rating}})
    )


def test_what_a_rule_can_tell_is_said_with_its_alarms_where_there_can_be_any():
    rates = pl.DataFrame(
        {"claim": [1, 15, 16], "power": [0.25, 1.0, 0.0], "refused": [0.0] * 3, "alarms": [0.05, None, 0.0]}
    )
    said = sentences.rule_sentences(rates, 12)
    assert said[1].startswith("*What it can tell.* In 12 simulated studies")
    assert "hardly" not in said[1] + said[15]
    assert "So it seldom says *holds*, even of a true claim. Where it is false" in said[16]
    assert "where the claim is true the rule says *holds* in 25% and *does not hold* in 0%. " in said[1]
    assert said[1].endswith("Where it is false it says *holds* in 5% at most.")
    assert said[15].endswith("says *holds* in 100% and *does not hold* in 0%.")


def arrivals(first, end):
    """Ends of two penalised runs, whose gold lies so far above that of early stopping."""
    columns = {"gold_free": [0.5, 0.6], "gold_first": [0.5 + first, 0.6], "gold": [0.5 + end, 0.6 + end]}
    return pl.DataFrame(columns | {f"gold_se{when}": [0.03, 0.03] for when in ("", "_first", "_free")})


def test_a_gain_of_penalised_runs_is_put_where_it_came():
    said = sentences.say_arrival(arrivals(0.0, 0.4))
    assert "by 0.00 to 0.00 SDs: by more than two standard errors for 0 of 2 penalties." in said
    assert "by 0.40 to 0.40 SDs, so surely for 2. What the end adds came while KL stood still." in said
    assert "stood still" not in sentences.say_arrival(arrivals(0.4, 0.05))
    assert sentences.say_arrival(pl.DataFrame()) == ""
