"""Small pictures on cards: what they draw, and that both halves share their axes."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import claim_sketches, sketches
from overopt.analysis.claims.verdicts import CLAIMS
from overopt.analysis.groups import SIZES
from overopt.analysis.laws_elsewhere import assumed_alpha_rl, paper_ends
from overopt.analysis.sketches import Line, Sketch
from overopt.report.thumbnails import HEIGHT, INSET, TOP, thumbnail


@pytest.fixture(scope="module")
def e():
    return evidence()


def parsed(picture):
    """The picture as XML: it must be well formed, on one line, and fetch nothing."""
    assert "\n" not in picture
    assert "http" not in picture
    return ET.fromstring(picture)


def test_a_claim_has_a_picture_where_its_curves_were_measured(e):
    drawn = {claim.number for claim in CLAIMS if claim_sketches.sketch(e, claim.number)}
    assert drawn >= {1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 19}
    # neither epochs, policies, penalties, far best-of-n nor rounds were measured
    assert not drawn & {10, 11, 14, 16, 20}
    assert set(claim_sketches.OF) == {claim.number for claim in CLAIMS}
    for number in drawn:
        parsed(thumbnail(claim_sketches.sketch(e, number)))


def test_in_the_papers_half_its_forms_go_through_its_points(e):
    dots, own, rival = claim_sketches.sketch(e, 17).paper
    known = np.array(dots.x) > 0
    np.testing.assert_allclose(np.array(own.y)[known], np.array(dots.y)[known], atol=1e-6)
    assert rival.dashed
    assert abs(rival.y[-1] - dots.y[-1]) > 0.05
    scores, law = claim_sketches.sketch(e, 18).paper  # the law of gold is not the shape of proxy scores
    assert np.abs(np.array(law.y) - np.array(scores.y)).max() > 0.01


def test_far_best_of_n_is_drawn_beside_the_law_of_its_near_part():
    e = evidence()
    e.far = e.slice(SIZES, e.sizes.curves.filter(method="bon", seed=0))
    found = claim_sketches.sketch(e, 16)
    assert [part.dashed for part in found.here] == [False, True] * 3
    near = np.array(found.here[1].x)
    size = e.far.values("bon")[0]
    mean = e.far.mean.filter(rm_params=size)
    assert found.here[0].y == tuple(mean["gold"])
    assert near.max() == pytest.approx(float(mean["kl"].max()) ** 0.5)


def test_the_papers_half_has_the_papers_coefficients(e):
    alphas = claim_sketches.sketch(e, 5).paper[0].y
    assert alphas == pytest.approx(paper_ends("bon", "alpha"))
    assert claim_sketches.sketch(e, 6).paper[0].y == pytest.approx([assumed_alpha_rl()] * 2)
    law = claim_sketches.sketch(e, 1).paper[-1]  # of the largest proxy
    d, (alpha, beta) = np.array(law.x), (paper_ends("bon", name)[1] for name in ("alpha", "beta"))
    np.testing.assert_allclose(law.y, d * (alpha - beta * d))


def test_our_half_is_what_was_measured(e):
    mean = e.sizes.of("bon").filter(pl.col("rm_params") == e.sizes.values("bon")[0])
    first = claim_sketches.sketch(e, 1).here[0]
    assert first.place == 0.0
    assert list(first.y) == mean["gold"].to_list()


def test_halves_share_their_axes():
    low, high = Line((0.0, 1.0), (0.0, 1.0)), Line((0.0, 1.0), (0.0, 2.0))
    picture = parsed(thumbnail(Sketch((low,), (high,), "x", "y")))
    ends = [float(line.get("points").split()[-1].split(",")[1]) for line in picture.iter("polyline")]
    top, bottom = TOP + INSET, TOP + HEIGHT - INSET
    assert ends == [pytest.approx((top + bottom) / 2), pytest.approx(top)]


def test_dots_are_joined_only_where_they_are_a_line():
    loose = Sketch((Line((0.0, 1.0), (1.0, 2.0), dots=True, joined=False),), (), "x", "y")
    picture = thumbnail(loose)
    assert picture.count("<circle") == 2
    assert "polyline" not in picture


def test_words_are_escaped_and_colours_read_in_both_themes():
    picture = thumbnail(Sketch((Line((0.0,), (1.0,), dots=True),), (), 'a "b" <c>', "y"))
    assert "&lt;c&gt;" in picture
    assert not set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', picture)) & {
        "#000",
        "#fff",
        "#000000",
        "#ffffff",
    }


def test_a_long_line_keeps_its_ends():
    x = np.linspace(0, 9, 1000)
    short = sketches.line(x, x**2)
    assert (len(short.x), short.x[0], short.x[-1], short.y[-1]) == (sketches.MOST, 0.0, 9.0, 81.0)
    assert sketches.line([0.0, 1.0], [np.nan, 2.0]).x == (1.0,)
