"""Data sets: a gradient summed over many sequences, in chunks that may be computed in other processes or machines."""
