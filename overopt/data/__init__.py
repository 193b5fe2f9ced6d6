"""The texts and human ratings of the world `reviews`, and what is made of them without a model."""
