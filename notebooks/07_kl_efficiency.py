# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a nat buys
#
# KL is a poor measure of effort: best-of-n and PPO spend it differently. This page asks how many nats each needs for the
# same gold, and for the same proxy score.

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]

from overopt import api
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page

page.start()
r = api.load_results(study)
e = Evidence(r)
from overopt.analysis import frontier

# %% tags=["remove-input"]
page.card(
    r,
    "RL spends far more KL than best-of-n for the same gain.",
    12,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-for-gold", "caption": "KL needed to reach a level of gold for the first time, best-of-n and PPO, by proxy size (our own)."}}
need = frontier.kl_needed(e, "gold")
page.if_measured(
    need.height > 0,
    lambda: figures.lines(
        need,
        x=figures.linear_axis("gold", "gold reached (SDs)"),
        y="kl",
        y_title="KL needed (nats)",
        by=figures.SIZES,
        kind="what",
        y_nats=True,
        description="KL that best-of-n and PPO need to reach a level of gold, by proxy size.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-for-proxy", "caption": "KL needed to reach a level of the proxy's score for the first time, best-of-n and PPO, by proxy size (our own)."}}
need_proxy = frontier.kl_needed(e, "proxy")
page.if_measured(
    need_proxy.height > 0,
    lambda: figures.lines(
        need_proxy,
        x=figures.linear_axis("proxy", "proxy score reached (SDs)"),
        y="kl",
        y_title="KL needed (nats)",
        by=figures.SIZES,
        kind="what",
        y_nats=True,
        description="KL that best-of-n and PPO need to reach a level of proxy score, by proxy size.",
    ),
)

# %% tags=["remove-input"]
page.card(
    r,
    "By proxy score the two methods align better than by KL.",
    13,
)

# %% tags=["remove-input"]
page.about(r, "07_kl_efficiency")
