"""Backbones x fusion x heads, written as Darknet cfg text."""
