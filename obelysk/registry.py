"""The table of job types, filled from Python entry points.

A package offers a job type by an entry point of the group `bitsage.job_types` whose name is the type's name and
whose value is its class; BitSage's own types are registered in the same way.  A plug-in that cannot be used
costs nobody else anything: it is left out, and `problems` has one sentence about it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from typing import Any

from .errors import DuplicateJobType, UnknownJobType
from .job import JobType, Limits

GROUP = "bitsage.job_types"
OWN_PACKAGE = "bitsage"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_METHODS = ("validate", "run", "encode_output", "decode_output", "output_hash", "statement", "prove", "verify")


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


class JobTypes(Mapping[str, JobType]):
    """Job types by name; entry points are loaded at the first look."""

    def __init__(self, entries: Callable[[], Iterable[EntryPoint]] = _installed) -> None:
        self._entries = entries
        self._lock = threading.RLock()
        self._loaded = False
        self._types: dict[str, JobType] = {}
        self._problems: dict[str, str] = {}

    def __getitem__(self, name: str) -> JobType:
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._load()))

    def __len__(self) -> int:
        return len(self._load())

    @property
    def problems(self) -> Mapping[str, str]:
        """Entry points that could not be used: name -> one sentence."""
        self._load()
        return dict(self._problems)

    def add(self, job_type: JobType) -> None:
        """Add a type that no package registers, for this process.

        Raises DuplicateJobType when the name is taken, TypeError when it is no job type.
        """
        _check(job_type)
        with self._lock:
            if job_type.name in self._load():
                raise DuplicateJobType(f"there is a job type {job_type.name!r} already")
            self._types[job_type.name] = job_type

    def get_job_type(self, name: str) -> JobType:
        """The job type of a name.  Raises UnknownJobType, saying so when a plug-in of that name is broken."""
        types = self._load()
        if name in types:
            return types[name]
        if name in self._problems:
            raise UnknownJobType(self._problems[name])
        raise UnknownJobType(f"unknown job type {name[:40]!r}; known are {', '.join(sorted(types))}")

    def _load(self) -> dict[str, JobType]:
        with self._lock:
            if not self._loaded:
                found = sorted(self._entries(), key=lambda e: (e.name, _package(e) != OWN_PACKAGE, _package(e)))
                for name, group in groupby(found, key=lambda e: e.name):
                    self._take(name, list(group))
                self._loaded = True
            return self._types

    def _take(self, name: str, entries: list[EntryPoint]) -> None:
        packages = [_package(entry) for entry in entries]
        if len(entries) > 1:
            offered = f"the job type {name!r} is offered by {', '.join(packages)}"
            if packages[0] != OWN_PACKAGE or packages.count(OWN_PACKAGE) > 1:
                # Which one would win is nobody's to guess: nodes of one network must not differ.
                self._problems[name] = f"{offered}; none of them is used: keep one"
                return
            self._problems[name] = f"{offered}; that of {OWN_PACKAGE} is used: remove the others"
        try:
            made = entries[0].load()
            job_type = made() if isinstance(made, type) else made
            _check(job_type)
            if job_type.name != name:
                raise TypeError(f"its class calls itself {job_type.name!r}")
        # A plug-in may fail in any way while it is imported; the others must not suffer.
        except Exception as error:  # noqa: BLE001
            words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self._problems[name] = f"the job type {name!r} of {packages[0]} cannot be used: {words}"
            return
        self._types[name] = job_type


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "?"


def _check(job_type: Any) -> None:
    """Raise TypeError unless the object has what a JobType has."""
    name = getattr(job_type, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError("its name must be 1 to 64 lower-case letters, digits, - and _, a letter first")
    if not isinstance(getattr(job_type, "limits", None), Limits):
        raise TypeError("its attribute `limits` must be a Limits")
    if not isinstance(getattr(job_type, "input_schema", None), Mapping):
        raise TypeError("its attribute `input_schema` must map field names to InputField")
    for method in _METHODS:
        if not callable(getattr(job_type, method, None)):
            raise TypeError(f"it has no method `{method}`")


#: Every job type that this installation can run and judge, by name.
JOB_TYPES = JobTypes()


def get_job_type(name: str) -> JobType:
    """The job type of a name.  Raises UnknownJobType."""
    return JOB_TYPES.get_job_type(name)
