"""The table of job types."""

from __future__ import annotations

from .errors import UnknownJobType
from .job import JobType
from .matmul_job import MatmulJob

#: Every job type that the network offers, by name.
JOB_TYPES: dict[str, JobType] = {job_type.name: job_type for job_type in (MatmulJob(),)}


def get_job_type(name: str) -> JobType:
    """The job type of a name.  Raises UnknownJobType."""
    if name not in JOB_TYPES:
        raise UnknownJobType(f"unknown job type {name[:40]!r}; known are {', '.join(sorted(JOB_TYPES))}")
    return JOB_TYPES[name]
