"""Notation profiles: the same derivation in the letters, signs and layout of a book or a lecture note."""
