"""Step 1: what patches look like, by flow matching; and a denoiser in the same way."""
