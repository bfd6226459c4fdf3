"""Command lines: thin skins over the Python API."""

__all__: list[str] = []
