"""The equation language: expression trees, parser, shapes, operations, notations."""
