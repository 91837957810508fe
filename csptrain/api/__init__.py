"""csptrain for programs of ten lines: a model with `predict`, `train` and `export`."""
