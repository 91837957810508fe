"""A data set, and optionally the cfg that is to learn it, looked at before the first hour of training."""
