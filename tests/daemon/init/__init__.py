"""The questions of `copierd init`, below the terminal."""
