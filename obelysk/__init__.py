"""What is proven: the job types of the network.

Each job type says which requests it accepts, how the work is done, how its output is named by a hash, and
how a proof is made and checked by someone who knows the request.  `matmul` is the matrix product over M31.
"""

from .errors import INPUT_REASONS, JobInputInvalid, ObelyskError, UnknownJobType
from .job import JobType, Limits
from .matmul_job import MatmulJob
from .matrices import generate_inputs
from .registry import JOB_TYPES, get_job_type

__all__ = [
    "INPUT_REASONS",
    "JOB_TYPES",
    "JobInputInvalid",
    "JobType",
    "Limits",
    "MatmulJob",
    "ObelyskError",
    "UnknownJobType",
    "generate_inputs",
    "get_job_type",
]
