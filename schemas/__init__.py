"""The schemas room."""

__all__: list[str] = []
