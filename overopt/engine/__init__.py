"""Computes stages and keeps their results, whatever they are of: store, records, runner, status."""
