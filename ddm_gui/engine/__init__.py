"""The engine: headless, usable from Python and from the command line; it never imports Qt."""
