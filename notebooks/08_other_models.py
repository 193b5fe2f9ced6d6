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
# # Models that others trained
#
# The other pages make their models themselves, small enough for two processor cores. A study of the world `pretrained` takes
# its policy, its proxies and its gold from others: a hub, a folder, a package. From there on it is the same study: the same
# stages, the same table of curves, the same verdicts.
#
# :::{margin}
# **Depth-cut**: the first few layers of a model, under its own last norm and output layer.
#
# **LoRA**: instead of its weights, a model learns two thin matrices beside each of them {cite}`hu2021lora`.
# :::
#
# ```yaml
# world: pretrained
# text: {prompt_tokens: 64, completion_tokens: 48, chat: true}
# prompts: {path: prompts.jsonl, sha256: ...}
# models:
#   base: {path: ./my-model, sha256: ..., parameters: ...,
#          layers: 24, width: 896, vocabulary: 151_936}
#   tuned: {sft: base, texts: {path: texts.jsonl, sha256: ...},
#           tokens: 256, steps: 500, batch: 16,
#           learning_rate: 1.0e-5, parameters: ...}
#   lower-4: {cut: base, layers: 4, parameters: ...}
#   small: {scratch: base, layers: 2, width: 128, heads: 4,
#           parameters: ...}
# policy: tuned
# gold: {hub: someone/reward-model, parameters: ...,
#        layers: 24, width: 2048, chat: true}
# trl: true
# proxy_lora: {rank: 16, alpha: 32}
# policy_lora: {rank: 16, alpha: 32}
# frozen: bfloat16
# sampler: vllm
# ```
#
# With `chat`, prompts become a user's turn in the policy's template. Prompts come from a file, from a `dataset` of the hub or, with
# `reviews: true`, from the film reviews of the other pages. A proxy is a model of the study: as it came, cut in depth, or untrained.
# With `trl`, proxies are trained by TRL's RewardTrainer, else by ours; with `policy_lora`, PPO learns adapters, and policy and
# reference share their weights; with `frozen: bfloat16`, models that only read take half the memory. `sampler: vllm` draws the pairs and the samples for best-of-n where vLLM is installed.
#
# Pairs, proxies, best-of-n and PPO are described as in `overopt/studies/laptop.yaml`. `.venv/bin/overopt run my-study.yaml` says what is wrong
# with a file, and of a size that is not as stated, which one it found. What does not fit is an error: no prompt or text is ever
# cut.
#
# - **Weights** are safetensors only, and verified: against `sha256` where the study gives it (of a folder it must), else against
#   what the hub states for that commit.
# - **Every model reads the policy's tokens**, but for a gold by name, which reads text in its own tokens, and in its own chat
#   template.
# - **RLOO** {cite}`ahmadian2024back` draws and learns in TRL; its KL is computed by us, per completion, and gold looks on as with PPO.
# - **Gold made here** is a model of the study trained on human ratings of sentences; only its last layers learn.
#   It has no fluency models: it judges best-of-n, whose texts the policy wrote as they are, better than PPO far from it.

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["remove-input"]
from overopt.report import pages, pretrained, tables, texts

page = pages.open_page(study, "08_other_models")
evidence = pretrained.shown(page.results)
sizes = pretrained.sizes(evidence)

# %% [markdown]
# ## A real model on two cores
#
# Study `pretrained-cpu`: SmolLM2-135M-Instruct {cite}`allal2025smollm2` completes the beginnings of review sentences as plain text.
# Gold is its lower third, of which the last layers learnt from human ratings; proxies are fewer of its layers, or small models
# with its vocabulary and no training before.

# %% tags=["remove-input"]
page.say(pretrained.say_outcome(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pretrained-bon", "caption": "Best-of-n of a pretrained policy: score against KL, by proxy size, mean over seeds. Gold solid with a band of one standard error, proxy dashed, the fitted law d(\u03b1 \u2212 \u03b2d) dotted. In base-policy standard deviations."}}
description = "Gold and proxy score of best-of-n of a pretrained policy against KL, by proxy size."
page.gold_and_proxy(sizes, "bon", measured_by=pretrained.STUDY, description=description)

# %% tags=["hide-input"]
caption = "The proxies of the pretrained policy, and the best that best-of-n reaches with each."
page.table("tab-pretrained-proxies", pretrained.proxies(evidence), caption=caption)

# %% [markdown]
# PPO of such a policy is slow on two cores, so there is little of it: few runs, short ones, in small batches. Gold here was never
# shown what is no text; how far to believe it, the samples below the figure say.

# %% tags=["remove-input"]
page.say(pretrained.say_ppo(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pretrained-ppo", "caption": "PPO of a pretrained policy through adapters: score against KL, by proxy size. Gold solid with a band of one standard error, proxy dashed, the fitted law d(\u03b1 \u2212 \u03b2 ln d) dotted. In base-policy standard deviations."}}
description = "Gold and proxy score of PPO of a pretrained policy against KL, by proxy size."
page.gold_and_proxy(sizes, "ppo", measured_by=pretrained.STUDY, description=description)

# %% tags=["hide-input"]
stages = pretrained.ppo_texts(evidence)
page.table("tab-pretrained-texts", stages, caption=texts.say_ppo(stages))

# %% [markdown]
# ## What it would take
#
# `.venv/bin/overopt plan STUDY --price` counts, before anything is downloaded, what the stages of a study draw, read and learn from, and
# what the largest of each kind holds in memory; beside it, what was measured on the machine where it is asked. Counts are upper
# bounds: texts as long as they may be, PPO runs as many iterations. Memory is an estimate. How fast a machine is, you say.
#
# **`gpu`**: Pythia models {cite}`biderman2023pythia` of 14M to 1.4B parameters, for one GPU of 24 to 80 GB within a day. **Nobody has run
# it yet; its results are not in this book.**

# %% tags=["remove-input"]
page.say(tables.price_table("gpu", tflops=60.0, drawing_tflops=3.0))

# %% [markdown]
# **`paper`**: the paper's sizes, numbers of pairs and seeds, with Pythia policies of 1.4B and 6.9B parameters and proxies of 14M to
# 2.8B, for a cluster of GPUs of 141 GB. Its prompts are those of this book, not the paper's. **Nobody has run it yet; its results
# are not in this book.**

# %% tags=["remove-input"]
page.say(tables.price_table("paper", tflops=200.0, drawing_tflops=10.0))

# %% [markdown]
# **`pretrained-cpu`**, the study above, for two processor cores: what was predicted, and what it took. The memory measured here
# counts what a process kept of its earlier stages, so after a large stage a small one looks as large; since then, that is given
# back before each stage.

# %% tags=["remove-input"]
costs = pretrained.costs(evidence)
page.say(tables.price_table(pretrained.STUDY, tflops=0.05, drawing_tflops=0.02, seen=costs))

# %% [markdown]
# How stages spread over machines, [another page](machines.md) says. One GPU computes one stage at a time; so a study like `paper` is
# done sooner by as many GPUs as it has stages side by side.

# %% tags=["remove-input"]
page.about()
