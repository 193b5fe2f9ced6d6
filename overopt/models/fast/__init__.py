"""The same numbers sooner: packing, decoding, drawing and products, below the models that use them."""
