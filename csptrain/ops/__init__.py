"""Tensor functions without state: the box arithmetic, suppression and activations."""
