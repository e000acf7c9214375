"""Learn how a lens, a microscope or a camera blurs, from ordinary photographs, and take the blur away."""

__version__ = "0.1.0"
