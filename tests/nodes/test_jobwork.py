"""What a job's input may look like, and that reading it can end no process."""

import subprocess
import sys

import pytest

from bitsage.nodes.jobwork import job_input, request_of
from bitsage.obelysk import JobInputInvalid, get_job_type

MATMUL = get_job_type("matmul")


def test_a_request_survives_its_canonical_json() -> None:
    request = {"b": b"\x00\xff", "a": b"", "a_hash": "00"}
    assert job_input(request) == '{"a":"","a_hash":"00","b":"AP8="}'
    assert request_of(MATMUL, job_input(request)) == request


@pytest.mark.parametrize("text", ["", "1", "[]", "{", '{"a":1}', '{"a":"*"}', "{" * 65, '{"x":' * 100, "\ud800"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(JobInputInvalid):
        request_of(MATMUL, text)


@pytest.mark.parametrize(
    "code",
    [
        "from bitsage.obelysk import read_input; read = lambda text: read_input({}, text)",
        "from bitsage.stark import read_proof; read = lambda text: read_proof(text.encode())",
    ],
)
def test_deep_nesting_ends_no_process_whose_recursion_limit_was_raised(code: str) -> None:
    program = f"""
import sys, threading
{code}
def body():
    for text in ("[" * 200_000, '{{"x":' * 100_000, "[" * 200_000 + "]" * 200_000):
        try:
            read(text)
        except Exception as error:
            print(type(error).__name__)
sys.setrecursionlimit(1_000_000)
thread = threading.Thread(target=body)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"JobInputInvalid", "ProofUnreadable"}
    assert len(done.stdout.split()) == 3
