"""What is proven: the job types of the network.

Each job type says which requests it accepts, how the work is done, how its output is named by a hash, and
how a proof is made and checked by someone who knows the request.  Job types are plug-ins: packages register them by
entry points of the group `bitsage.job_types`.  `matmul` is the matrix product over M31.
"""

from .errors import (
    INPUT_REASONS,
    DuplicateJobType,
    JobInputInvalid,
    JobTypeFailed,
    ObelyskError,
    ProofTooLarge,
    UnknownJobType,
    failures_named,
)
from .job import CountedJob, JobType, Limits, MeasuredJob
from .matmul_job import MatmulJob
from .matrices import generate_inputs
from .proven import ProvenJob
from .registry import GROUP, JOB_TYPES, JobTypes, get_job_type
from .schema import InputField, InputSchema, check_fields, read_input, write_input

__all__ = [
    "GROUP",
    "INPUT_REASONS",
    "JOB_TYPES",
    "CountedJob",
    "DuplicateJobType",
    "InputField",
    "InputSchema",
    "JobInputInvalid",
    "JobType",
    "JobTypeFailed",
    "ProofTooLarge",
    "JobTypes",
    "Limits",
    "MatmulJob",
    "MeasuredJob",
    "ObelyskError",
    "ProvenJob",
    "UnknownJobType",
    "check_fields",
    "failures_named",
    "generate_inputs",
    "get_job_type",
    "read_input",
    "write_input",
]
