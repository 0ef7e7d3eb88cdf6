"""A live preview of one document: a page on this machine that shows the derivation as the file is saved or edited."""
