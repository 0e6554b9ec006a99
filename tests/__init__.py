"""The tests mirror the source: one file per module, stories in scenarios, real processes in system."""
