"""A second opinion on the hours: another project's calendar, and the differences that somebody has reviewed."""
