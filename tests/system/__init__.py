"""Tests with real processes and real files."""
