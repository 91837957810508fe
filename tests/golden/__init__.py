"""Runs case folders of Darknet's own numbers against csptrain: ``python -m tests.golden DIR``."""
