"""Tests of the shell, one file per module."""
