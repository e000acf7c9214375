"""Step 3: taking the learned degradation out of photos; one file per restorer."""
