"""Algorithms over protocols: they receive their models and read no picture files."""
