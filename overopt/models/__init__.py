"""Language models and what is done with one: built, loaded, sampled from, compared by KL."""
