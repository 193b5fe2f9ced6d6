"""Files of a reader's own, whose answer is known: gold rises to a peak and falls, rises for ever, or never moves."""

import numpy as np
import polars as pl

from overopt.estimators.laws import LAWS

SE = 0.02
KL = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0])
POLICIES = ["base", *(f"dpo-{k}" for k in range(1, len(KL)))]


def curve_of(law, alpha, beta, kl=KL, **columns):
    """Points of a law without noise, with standard errors as if there were some."""
    gold = LAWS[law].gold(kl, alpha, beta)
    return pl.DataFrame({"kl": kl, "gold": gold, "gold_se": [SE] * len(kl)} | columns)


def policies(alpha=0.9, beta=0.5, kl=KL, **columns):
    """As `overopt judge` writes them."""
    names = POLICIES[: len(kl)]
    proxy = {"proxy": 0.8 * np.sqrt(kl), "proxy_se": [SE] * len(kl)}
    return curve_of("rl", alpha, beta, kl, policy=names, **proxy, prompts=[64] * len(kl), **columns)


def gains(prompts=30, samples=64, hacked=0.0, noise=0.5, seed=0):
    """Scores: proxy = gold + noise, and a share of samples that the proxy loves and gold does not."""
    rng = np.random.default_rng(seed)
    gold = rng.normal(size=(prompts, samples))
    bad = rng.random((prompts, samples)) < hacked
    proxy = gold + noise * rng.normal(size=gold.shape) + 6.0 * bad
    gold = gold - 4.0 * bad + rng.normal(size=(prompts, 1))  # a prompt's own level is no gain
    names = np.repeat([f"p{k}" for k in range(prompts)], samples)
    return pl.DataFrame({"prompt": names, "gold": 3 * gold.ravel() + 7, "mine": proxy.ravel()})
