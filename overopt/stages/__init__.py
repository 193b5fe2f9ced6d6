"""The functions that a plan names: what each stage does with its job."""
