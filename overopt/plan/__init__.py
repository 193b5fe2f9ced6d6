"""A study as stages with keys: which there are, what each is told, what they cost. No stage is imported here."""
