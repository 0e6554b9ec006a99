"""The whole daemon against the whole look-alike, in virtual time: one file for each story."""
