"""How the steps of a derivation are read off a computation, section by section. Mathematics only: no words, no
formats.
"""
