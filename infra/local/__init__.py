"""The embedded runtime: everything on one laptop."""
