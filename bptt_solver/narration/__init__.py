"""How a derivation is told: the catalogue of sentences, and the sections of the document."""
