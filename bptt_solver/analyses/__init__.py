"""What can be computed from a solved problem when it is asked for: numbers only; `bptt_solver.narration` has the
words."""
