"""Figures of merit: what a network's answers are worth against the truth."""
