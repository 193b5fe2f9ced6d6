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
# The world `reviews` makes its models itself, small enough for two processor cores. This page takes a policy that others
# trained, and asks the same questions of it. First comes what was found, then what such a study costs, then how to run one
# with your own models.
#
# :::{margin}
# **Depth-cut**: the first few layers of a model, under its own last norm and output layer.
#
# **LoRA**: a model keeps its weights and learns two thin matrices beside each of them {cite}`hu2021lora`.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["remove-input"]
from overopt.report import pages, pretrained, tables, texts

page = pages.open_page(study, "08_other_models")
evidence = pretrained.shown(page.results)
sizes = pretrained.sizes(evidence)

# %% [markdown]
# ## The result

# %% tags=["remove-input"]
page.say(pretrained.say_outcome(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pretrained-bon", "caption": "Best-of-n of a pretrained policy: score against KL, by proxy size, mean over seeds. Gold solid with a band of one standard error, proxy dashed, the fitted law d(\u03b1 \u2212 \u03b2d) dotted. In base-policy standard deviations."}}
description = "Gold and proxy score of best-of-n of a pretrained policy against KL, by proxy size."
page.gold_and_proxy(sizes, "bon", measured_by=pretrained.STUDY, description=description)

# %% tags=["hide-input"]
caption = "The proxies of the pretrained policy, and the best that best-of-n reaches with each."
page.table("tab-pretrained-proxies", pretrained.proxies(evidence), caption=caption)

# %% tags=["remove-input"]
page.say(pretrained.say_models(evidence), pretrained.say_gold(evidence))

# %% tags=["remove-input"]
page.say(pretrained.say_ppo(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pretrained-ppo", "caption": "PPO of a pretrained policy through adapters: score against KL, by proxy size. Gold solid with a band of one standard error, proxy dashed, the fitted law d(\u03b1 \u2212 \u03b2 ln d) dotted. In base-policy standard deviations."}}
description = "Gold and proxy score of PPO of a pretrained policy against KL, by proxy size."
page.gold_and_proxy(sizes, "ppo", measured_by=pretrained.STUDY, description=description)

# %% tags=["hide-input"]
stages = pretrained.ppo_texts(evidence)
page.table("tab-pretrained-texts", stages, caption=texts.say_ppo(stages))

# %% [markdown]
# ## The prices: what a study takes
#
# `.venv/bin/overopt plan STUDY --price` downloads nothing. It counts what the stages of a study draw, read and learn from, and
# how much memory the largest stage of each kind holds. Where the machine has run some of them, what they took stands beside.
# Counts are upper bounds: every text is as long as it may be, and every PPO run takes all its iterations. Memory is an
# estimate. You say how fast the machine is.

# %% [markdown]
# **`pretrained-cpu`**, the study above, for two processor cores: what was predicted, and what it took. The memory that was
# measured is too high for small stages: a process still held what its earlier stages had used. Processes now give that back
# before each stage.

# %% tags=["remove-input"]
costs = pretrained.costs(evidence)
page.say(tables.price_table(pretrained.STUDY, tflops=0.05, drawing_tflops=0.02, seen=costs))

# %% [markdown]
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
# One GPU computes one stage at a time. A study like `paper` has many stages side by side, and as many GPUs finish it sooner.
# [Another page](machines.md) says how to share stages among machines.

# %% [markdown]
# ## The manual: a study of your own models
#
# A study of the world `pretrained` takes its policy, its proxies and its gold from others: a hub, a folder, a package. All that
# follows is as in every other study: the same stages, the same table of curves, the same verdicts.
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
# - **`chat`**: prompts become a user's turn in the policy's chat template.
# - **`prompts`** come from a file, or from a `dataset` of the hub. With `reviews: true` they come from the film reviews of the
#   other pages.
# - **A proxy** is a model of the study: as it came, cut in depth, or untrained.
# - **`trl`**: TRL's RewardTrainer trains the proxies. Without it, ours does.
# - **`policy_lora`**: PPO learns adapters, and policy and reference share their weights.
# - **`frozen: bfloat16`**: models that only read take half the memory.
# - **`sampler: vllm`**: vLLM, where it is installed, draws the pairs and the samples for best-of-n.
#
# Pairs, proxies, best-of-n and PPO are described as in `overopt/studies/laptop.yaml`. `.venv/bin/overopt run my-study.yaml` says
# what is wrong with a file. If a size is not as stated, it says which one it found. What does not fit is an error: no prompt or
# text is ever cut.
#
# - **Weights** are safetensors only, and verified. The study gives their `sha256`; for a folder it must. Where it gives none,
#   what the hub states for that commit is used.
# - **Every model reads the policy's tokens.** One is excepted: a gold by name reads text in its own tokens, and in its own chat
#   template.
# - **RLOO** {cite}`ahmadian2024back` draws and learns in TRL. We compute its KL, once a completion, and gold looks on as with PPO.
# - **Gold made here** is a model of the study, trained on human ratings of sentences. Only its last layers learn. No
#   gate asks whether a text is language at all. So it judges best-of-n well, whose texts the policy wrote as they are. Far from
#   the policy it judges PPO less well.

# %% tags=["remove-input"]
page.about()
