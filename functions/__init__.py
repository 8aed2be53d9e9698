"""Edges: one file a promise; parse, one use case, reply."""
