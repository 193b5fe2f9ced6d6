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
# # The chain: from reviews to proxies
#
# Overoptimisation can be measured only where the truth is known. The paper {cite}`gao2022scaling` therefore
# lets a large reward model, *gold*, play the human. This page shows the chain from text to reward models. It also asks how
# good a judge gold is.
#
# :::{margin}
# **Reward model**: a language model with one number as its output, the score of a text.
#
# **Gold** stands in for the human: it labels the data and judges the outcome.
#
# **Proxy**: a smaller reward model trained on gold's labels. Policies are optimised against it.
#
# **Policy**: the language model that writes. The **initial policy** is where every optimisation begins.
# :::
#
# 1. **Text.** The texts are sentences of film reviews {cite}`maas2011learning`. A few words of one are the prompt; the model
#    completes it.
# 2. **Language models** of several sizes learn the text. One of them becomes the initial policy.
# 3. **Gold** learns from human ratings what a text is worth. It learns from real text what language is.
# 4. **Pairs.** The initial policy completes prompts. Two completions of one prompt are a pair; gold says which is better.
# 5. **Proxies** of several sizes learn those pairs.
# 6. **Optimisation.** A policy is optimised against each proxy, and gold judges it: [the next page](01_gold_vs_optimisation).

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import page_tables
from overopt.report import figures, front_page, gold_sentences, pages, sentences, worlds

page = pages.open_page(study, "00_chain")
evidence, chain = page.evidence, page.results.chain

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pipeline", "caption": "The pipeline (paper: Fig. 2): gold labels pairs of the initial policy's samples, proxies learn the labels, a policy is optimised against a proxy, and gold and the proxy judge the outcome."}}
figures.pipeline(
    description="Ratings make gold, gold labels pairs, pairs make proxies, a policy is optimised against them."
)

# %% tags=["remove-input"]
page.say(worlds.say_policy_is_made(page.results.study))

# %% tags=["remove-input"]
page.say(worlds.say_gold_is_made(page.results.study))

# %% [markdown]
# ## What was used

# %% tags=["remove-input"]
page.say(worlds.say_data(page.results.study))

# %% tags=["remove-input"]
page.table(
    "tab-data",
    front_page.counts(evidence),
    caption="The data and the models. Parameters are counted without embeddings.",
)

# %% tags=["hide-input"]
page.table(
    "tab-hyperparameters",
    front_page.hyperparameters(page.results.study),
    caption="Hyperparameters (paper: Table 1). A dash stands where the paper gives no number to compare.",
)

# %% [markdown]
# ## The language models

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lm", "caption": "Loss on held-out text against the size of the language model."}}
description = "Held-out loss of the language models against their size."
figures.language_model_losses(chain["language_models"], description=description)

# %% [markdown]
# ## What the initial policy writes
#
# Read these texts before you believe a curve.

# %% tags=["remove-input"]
page.say(sentences.say_policy(chain.get("policy")))

# %% tags=["hide-input"]
written = page_tables.policy_samples(page.results)
caption = f"{written.height} random samples of the initial policy: the prompt, and what it wrote."
page.table("tab-samples", written, caption=caption)

# %% [markdown]
# ## Is gold a good judge?
#
# An optimised policy may write praise without end, or text that is no language. Gold must judge such text well too. Held-out
# pairs test that. In some, people rated both texts. In others, a real sentence stands against a spoilt one. The baseline is a
# linear model on TF-IDF word weights, which learned from the same ratings. Gold need not prefer every real text: a real complaint
# may be worth less than praise that stumbles.

# %% tags=["remove-input"]
page.found(
    "Gold is a 6B model trained on human comparisons; what it prefers is true by definition.",
    f"{gold_sentences.say_gold(chain['gold'])} {sentences.say_words(chain['gold'])}",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gold-accuracy", "caption": "How often gold prefers the better text of a held-out pair, by kind of pair, with one standard error. Beside it stands, where people rated both texts, the baseline, and for spoilt text gold's judges of language alone. The dashed line is chance."}}
description = "Held-out accuracy of gold and of its baseline by kind of pair."
figures.gold_accuracy(chain["gold"]["pairs"], description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gold-scores", "caption": "Gold's scores of samples of the initial policy, and the normal curve with the same mean and spread (dashed). A second hump may mean that one feature, such as the gate, decides the score."}}
description = "Histogram of gold scores of the initial policy."
figures.gold_scores(chain["gold_base_scores"], description=description)

# %% tags=["remove-input"]
page.say(sentences.say_second_gold(page.results))

# %% [markdown]
# ## The proxies
#
# Each proxy learns gold's preferences with the pairwise logistic loss. Its scores are then shifted and scaled, as in the paper.
# The shift gives the initial policy mean 0. The scale is the one number that fits gold's probabilities best.

# %% tags=["remove-input"]
page.say(worlds.say_rates(page.results.study))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-sweep", "caption": "The sweep: validation loss against learning rate, by proxy size. The lowest point of each line is the rate that all proxies of that size are trained with."}}
sweep, loss = page_tables.sweep(evidence), "validation loss (nats a pair)"
description = "Validation loss against learning rate, by proxy size."
page.figure(
    figures.lines, sweep, "learning_rate", "validation_loss", loss, measured_by="", description=description
)

# %% tags=["remove-input"]
proxies = page_tables.main_proxies(evidence)
page.found("Validation loss falls with the size of the reward model.", sentences.say_proxies(proxies))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-proxies", "caption": "Validation loss and accuracy of the proxies against their size; a point for each seed, a line through the means (paper: Fig. 11)."}}
description = "Validation loss and accuracy of the proxies against their size."
figures.proxy_validation(proxies, description=description)

# %% [markdown]
# ## Where this departs from the paper
#
# - **Scale.** Models are about a thousand times smaller than the paper's.
# - **Prompts** are beginnings of sentences, not instructions.
# - **Length.** A completion that reaches the length limit is judged as it stands.
# - **The rating models start from word vectors**, not from a language model, and read a vocabulary of their own. Gold as a
#   whole is larger than every proxy; one of its models alone need not be.
# - **The paper does not state** the number of seeds and evaluation prompts, the length of completions, the loss of the fits, and
#   the estimator of KL. They were chosen here. Our KL is exact at each position.
# - **PPO's settings** that the paper leaves open are ours: [](07_kl_efficiency).
# - **Recalibration** follows the paper. It changes the scale of a proxy's scores, never which sample wins.

# %% tags=["remove-input"]
page.say(worlds.say_departures(page.results.study, chain.get("policy")))

# %% tags=["remove-input"]
page.about()
