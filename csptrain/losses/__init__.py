"""Training losses: tensors in, cost, delta and named scalars out."""
