"""The two sets of photos."""
