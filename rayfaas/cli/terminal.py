"""The terminal: stderr, for progress and errors. Loaded by the commands that show some."""

from __future__ import annotations

from rich.console import Console

STDERR = Console(stderr=True, highlight=False, emoji=False)
