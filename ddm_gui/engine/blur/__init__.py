"""Blurs: kernels over the field, their files and numbers, and the forward operator with its adjoint."""
