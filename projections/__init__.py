"""Read models: pure folds from the log's events into SQLite files that anyone can delete, rebuild and hash.

One file per model says what it is made of (tables as data, one pure function per event). Around the folds: the store
(rows, offsets and chain heads in one transaction), rebuild, as-of, the read-only query sandbox, and the runner that
follows the log for all models.
"""

from .asof import AsOf, as_of, parse_as_of
from .conservation import Supply, supply
from .errors import (
    BadAsOf,
    ForeignFile,
    LogMismatch,
    PositionsMoved,
    ProjectionError,
    QueryRefused,
    QueryTimeout,
    UnknownColumn,
    UnknownModel,
    UnknownTable,
)
from .models import MODELS, model_named
from .projection import Projection, State, rebuild
from .runner import ProjectionRunner

__all__ = [
    "MODELS",
    "AsOf",
    "BadAsOf",
    "ForeignFile",
    "LogMismatch",
    "PositionsMoved",
    "Projection",
    "ProjectionError",
    "ProjectionRunner",
    "QueryRefused",
    "QueryTimeout",
    "State",
    "Supply",
    "UnknownColumn",
    "UnknownModel",
    "UnknownTable",
    "as_of",
    "model_named",
    "parse_as_of",
    "rebuild",
    "supply",
]
