"""How trees are written: `source` (parses back), `text` (one line for people), `latex`, and `numbers`."""
