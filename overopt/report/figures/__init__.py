"""The book's figures: Altair charts, one function a figure, drawn from plain tables."""

from overopt.analysis.groups import PAIRS, PENALTIES, POLICIES, ROUNDS, SIZES, Group
from overopt.report.figures.chain import (
    coefficients,
    gold_accuracy,
    gold_scores,
    language_model_losses,
    proxy_validation,
)
from overopt.report.figures.diagnostics import kl_against_step, kl_estimators, ppo_health
from overopt.report.figures.elsewhere import across_decades
from overopt.report.figures.lines import CHANCE, lines, pipeline
from overopt.report.figures.methods import methods
from overopt.report.figures.optimisation import gold_against_proxy, gold_and_proxy
from overopt.report.figures.style import EPOCHS, FORMS, HEIGHT, NOISES, WHAT, proxy_title

__all__ = [
    "CHANCE",
    "EPOCHS",
    "FORMS",
    "HEIGHT",
    "NOISES",
    "PAIRS",
    "PENALTIES",
    "POLICIES",
    "ROUNDS",
    "SIZES",
    "WHAT",
    "Group",
    "across_decades",
    "coefficients",
    "gold_accuracy",
    "gold_against_proxy",
    "gold_and_proxy",
    "gold_scores",
    "kl_against_step",
    "kl_estimators",
    "language_model_losses",
    "lines",
    "methods",
    "pipeline",
    "ppo_health",
    "proxy_title",
    "proxy_validation",
]
