"""The decisions of copierd: pure values and charts. No I/O, no clock, no dice, no await."""
