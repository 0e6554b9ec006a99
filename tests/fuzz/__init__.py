"""What nobody has thought of: frames, snapshots, configurations and requests by chance, and by a fuzzer that looks.

`python -m tests.fuzz --seconds 60` lets atheris look for input that breaks the decoding.
"""
