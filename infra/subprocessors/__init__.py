"""Connectors: one file a vendor."""
