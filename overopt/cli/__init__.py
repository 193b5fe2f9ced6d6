"""The command line: what `overopt` is told, and what it prints."""
