"""Documents: bytes, YAML nodes with positions, numbers, files, and the problem they describe."""
