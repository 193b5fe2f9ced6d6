"""Trainers: one algorithm, one file."""
