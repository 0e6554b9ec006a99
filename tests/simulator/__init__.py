"""Tests of the Tradovate look-alike."""
