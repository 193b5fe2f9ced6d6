"""What scores completions: reward models and gold in use, their scales, labelled pairs, how valid gold is."""
