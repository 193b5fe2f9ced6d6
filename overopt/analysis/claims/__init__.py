"""The paper's claims, each with its rule, and the verdicts on them."""
