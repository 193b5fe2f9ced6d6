"""What a study measures: its frozen, validated fields, read from YAML."""
