"""Regression tests for firmware builds: record what one does, compare another with it."""
