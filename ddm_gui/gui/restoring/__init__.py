"""How photos are restored, and their export."""
