"""Tests of csptrain.project."""
