"""Measurements. What a figure is worth depends on the machine; what is asserted anywhere are ratios within one run."""
