"""The streams room."""

__all__: list[str] = []
