"""Topologies, one module each."""
