"""Settings, the run and its curves."""
