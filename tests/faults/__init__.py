"""The whole daemon and the whole broker look-alike in one simulated world, drawn from a seed.

The code is the daemon's own; only its ports are others: network, HTTP transport, disk, clock, dice.
"""
