"""A photo before and after."""
