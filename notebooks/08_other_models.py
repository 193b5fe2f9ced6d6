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
# text: {prompt_tokens: 64, completion_tokens: 48, chat: true}    # chat: prompts become a user's turn
# prompts: {path: prompts.jsonl, sha256: ...}                     # or {dataset: ..., column: ...}, or {reviews: true}
# models:
#   base: {path: ./my-model, sha256: ..., parameters: ..., layers: 24, width: 896, vocabulary: 151_936}
#   tuned: {sft: base, texts: {path: texts.jsonl, sha256: ...}, tokens: 256, steps: 500, batch: 16, learning_rate: 1.0e-5, parameters: ...}
#   lower-4: {cut: base, layers: 4, parameters: ...}              # a proxy from the lower layers
#   small: {scratch: base, layers: 2, width: 128, heads: 4, parameters: ...}
# policy: tuned
# gold: {hub: someone/reward-model, parameters: ..., layers: 24, width: 2048, chat: true}   # or one made here of human ratings
# trl: true                       # proxies by TRL's RewardTrainer, else by ours
# proxy_lora: {rank: 16, alpha: 32}
# policy_lora: {rank: 16, alpha: 32}    # PPO learns adapters: policy and reference share their weights
# rloo:                                 # beside PPO, or without it: TRL's RLOO, measured as PPO is
#   grid: {models: [small], pairs: [8000], seeds: 1}
#   run: {batch: 64, completions: 4, learning_rate: 1.0e-6, prompts: 1000, max_steps: 200, max_kl: 50, look_every: 10, evaluation_samples: 2}
# sampler: vllm                         # draws pairs and the samples for best-of-n, where vLLM is installed
# ```
#
# Pairs, proxies, best-of-n and PPO are described as in `studies/laptop.yaml`. `overopt run my-study.yaml` says what is wrong
# with a file, and of a size that is not as stated, which one it found. What does not fit is an error: no prompt or text is ever
# cut.
#
# - **Weights** are safetensors only, and verified: against `sha256` where the study gives it (of a folder it must), else against
#   what the hub states for that commit.
# - **Every model reads the policy's tokens**, but for a gold by name, which reads text in its own tokens, and in its own chat
#   template.
# - **RLOO** {cite}`ahmadian2024back` draws and learns in TRL; its KL is computed by us, per completion, and gold looks on as with PPO.
# - **Gold made here** is a model of the study trained on the human ratings of [](00_chain.ipynb); only its last layers learn.
#   It has no fluency models: it judges best-of-n, whose texts the policy wrote as they are, better than PPO far from it.

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["remove-input"]
from overopt import pages, results
from overopt.plan import plan
from overopt.pricing import price_table
from overopt.study import load_study

pages.start()
r = results.load(study)


def priced(name, tflops, drawing_tflops):
    """What a study costs, as a block."""
    lines = price_table(plan(load_study(name)), batch=256, tflops=tflops, drawing_tflops=drawing_tflops)
    return pages.Markdown("\n".join(["```text", *lines, "```"]))


# %% [markdown]
# ## What it would take
#
# `overopt plan STUDY --price` counts, before anything is downloaded, what the stages of a study draw, read and learn from, and
# what the largest of each kind holds in memory; beside it, what was measured on the machine where it is asked. These are upper
# bounds: texts as long as they may be, PPO runs as many iterations. How fast a machine is, you say.
#
# **`gpu`**: Pythia models {cite}`biderman2023pythia` of 14M to 1.4B parameters, for one GPU of 24 to 80 GB within a day. **Nobody has run
# it yet; its results are not in this book.** At 60 TFLOP/s, and 3 while completions are drawn one token at a time:

# %% tags=["remove-input"]
priced("gpu", 60, 3)

# %% [markdown]
# **`paper`**: the paper's sizes, numbers of pairs and seeds, with Pythia policies of 1.4B and 6.9B parameters and proxies of 14M to
# 2.8B, for a cluster of GPUs of 141 GB. Its prompts are those of this book, not the paper's. **Nobody has run it yet; its results
# are not in this book.** At 200 TFLOP/s, and 10 while drawing:

# %% tags=["remove-input"]
priced("paper", 200, 10)

# %% [markdown]
# **`pretrained-cpu`**: SmolLM2-135M-Instruct {cite}`allal2025smollm2` writes, proxies are its lower layers or small untrained models,
# gold is its lower third, trained on human ratings. For two processor cores, at 0.09 TFLOP/s a core, and half of that while drawing:

# %% tags=["remove-input"]
priced("pretrained-cpu", 0.09, 0.045)

# %% [markdown]
# How stages spread over machines, [another page](machines.md) says. One GPU computes one stage at a time; so a study like `paper` is
# done sooner by as many GPUs as it has stages side by side.

# %% tags=["remove-input"]
pages.about(r, "08_other_models")
