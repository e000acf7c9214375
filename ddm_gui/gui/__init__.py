"""The window: views, one controller, and a worker thread that pulls a run."""
