"""The decisions of copierd: pure values and charts. No I/O, no clock, no dice, no await.

What rests on what is written down in layers, and kept, in `pyproject.toml`.
"""
