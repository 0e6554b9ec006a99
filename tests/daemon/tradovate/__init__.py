"""Tests of the protocol, one file per module."""
