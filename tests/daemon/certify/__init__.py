"""Tests of `copierd certify`."""
