"""Pictures: the graph of a system, folded and unrolled in time, laid out by what its equations say; small charts."""
