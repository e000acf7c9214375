"""Kernels, one or over the field, and lenses of files."""
