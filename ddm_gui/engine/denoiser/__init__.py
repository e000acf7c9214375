"""A denoiser of one's own: the run that learns it, and what it is worth."""
