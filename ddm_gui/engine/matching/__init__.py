"""Step 2: the kernels that make clean patches look, in distribution, like degraded ones."""
