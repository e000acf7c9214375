"""Photos: their files, what is known of how they were taken, and the patches that are learned from."""
