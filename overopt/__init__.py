"""Scaling laws of reward-model overoptimisation: measure, fit and check them on any machine."""

__version__ = "0.1.0"
