"""Ratios measured side by side, by anyone: `make bench`."""
