"""How fast one core computes: what prices and the order of stages take it to be where nobody says otherwise."""

CORE_TFLOPS = 0.05  # 10^12 operations a second of matrix products while models read and learn
CORE_DRAWING_TFLOPS = 0.02  # the same while completions are drawn, a token at a time
