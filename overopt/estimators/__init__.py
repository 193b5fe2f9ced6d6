"""What is computed from numbers alone, with NumPy: best-of-n, tilting, laws and their intervals."""
