"""Errors of the projections room.

ProjectionError
|-- UnknownModel     no read model has this name
|-- UnknownTable     the model has no such table
|-- UnknownColumn    a filter names a column that the model does not have
|-- BadAsOf          an as-of bound that is neither a time nor a list of offsets
|-- ForeignFile      a file stands where a read model's should be, and it is not one of ours
|-- LogMismatch      the file was folded from another log than the one that is read now
|-- PositionsMoved   another process put a file in place that stands further back
|-- QueryRefused     SQL that writes, attaches, or is not valid
`-- QueryTimeout     SQL that ran longer than it may
"""


class ProjectionError(Exception):
    """Anything wrong with a read model or a question to it."""

    code = "projection_error"


class UnknownModel(ProjectionError):
    """No read model has this name."""

    code = "unknown_model"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no model {name!r}; the models are {', '.join(known)}")


class UnknownTable(ProjectionError):
    """The model has no such table."""

    code = "unknown_table"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no table {name!r}; the tables are {', '.join(known)}")


class UnknownColumn(ProjectionError):
    """A filter names a column that the model does not have."""

    code = "unknown_column"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no column {name!r}; the columns are {', '.join(known)}")


class BadAsOf(ProjectionError):
    """An as-of bound that is neither a time nor a list of offsets."""

    code = "bad_as_of"


class ForeignFile(ProjectionError):
    """A file stands where a read model's should be, and it is not one of ours."""

    code = "foreign_file"


class LogMismatch(ProjectionError):
    """The file was folded from another log than the one that is read now."""

    code = "log_mismatch"


class PositionsMoved(ProjectionError):
    """Another process put a file in place that stands further back: read again from its positions."""

    code = "positions_moved"


class QueryRefused(ProjectionError):
    """SQL that writes, attaches, or is not valid."""

    code = "query_refused"


class QueryTimeout(ProjectionError):
    """SQL that ran longer than it may."""

    code = "query_timeout"
