"""The opencl room."""

__all__: list[str] = []
