"""A folded system as a program over whole arrays: dependences, loop distribution, NumPy source."""
