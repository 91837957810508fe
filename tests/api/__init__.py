"""Tests of csptrain.api."""
