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
# # The best that any policy could do
#
# Take all policies with the same KL from the initial policy. The one with the highest expected score is
# $\pi \propto \pi_0 \exp(\text{score}/\tau)$ {cite}`rafailov2023direct`. We need not train it: reweighted samples of the initial
# policy tell what it would score. How far are best-of-n and PPO from this frontier?
#
# :::{margin}
# **Tilted policy**: the initial policy reweighted by $\exp(\text{score}/\tau)$.
#
# **Effective sample size**: how many samples of a prompt carry the weight. Points where fewer than 30 do are left out.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import frontier
from overopt.report import figures, pages, sentences

page = pages.open_page(study, "06_best_possible")
evidence = page.evidence

# %% [markdown]
# ## By the proxy's own measure

# %% tags=["remove-input"]
page.say(sentences.say_distance(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-frontier-proxy", "caption": "Proxy score against KL: the frontier (tilted policy), best-of-n and PPO, by proxy size, as far as the frontier can be estimated (our own). But for noise, no policy lies above the frontier."}}
curves = frontier.curves(evidence, "proxy")
description = "Proxy score of the tilted policy, best-of-n and PPO against KL, by proxy size."
figures.lines(curves, "kl", "proxy", "proxy score (SDs)", kind="what", description=description)

# %% [markdown]
# ## What it is worth to gold

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-frontier-gold", "caption": "Gold of the same policies (our own). The frontier is the best by the proxy; by gold it need not be."}}
curves = frontier.curves(evidence, "gold")
description = "Gold of the tilted policy, best-of-n and PPO against KL, by proxy size."
figures.lines(curves, "kl", "gold", "gold (SDs)", kind="what", description=description)

# %% tags=["hide-input"]
page.table(
    "tab-frontier",
    frontier.table(evidence),
    caption="Proxy score and gold (SDs) at equal KL, where the frontier has 30 effective samples a prompt or more. The last column is the frontier of a policy tilted by gold itself.",
)

# %% tags=["remove-input"]
page.about()
