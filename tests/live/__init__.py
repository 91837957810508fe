"""Tests of csptrain.live."""
