"""The contracts room."""

__all__: list[str] = []
