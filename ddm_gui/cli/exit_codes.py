"""How the program ends: what its exit code says."""

from __future__ import annotations

DONE, BUG, MENDABLE, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
