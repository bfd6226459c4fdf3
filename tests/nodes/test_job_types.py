"""Job types other than matmul through the whole network, over the stand-in log: admitted, proven, judged, paid, audited."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from testnetwork import claimed, running, spec

from bitsage.nodes.audit import audit
from bitsage.nodes.errors import CommandRefused
from bitsage.obelysk import JOB_TYPES
from bitsage.obelysk.inference import default_model
from bitsage.schemas.events import JobCompleted
from bitsage.schemas.parameters import SAGE
from bitsage.streams.memory_log import InMemoryLog

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin" / "squares.py"


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented plug-in, added to this process for one test."""
    found = importlib.util.spec_from_file_location("squares", EXAMPLE)
    assert found is not None
    assert found.loader is not None
    module: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setattr(JOB_TYPES, "_types", dict(JOB_TYPES))
    JOB_TYPES.add(module.SquaresJob())


@pytest.mark.parametrize(
    ("job_type", "job_input"),
    [
        ("inference", {"model": default_model().hash.hex(), "digits": "0-15"}),
        ("vm", {"assembly": "read r1\nmul r1, r1, r1\nwrite r1\nhalt", "inputs": "BwAAAA=="}),
        ("squares", {"x": 1, "y": 2, "log_rows": 6}),
    ],
)
def test_a_job_is_proven_judged_and_paid_and_the_log_replays(
    tmp_path: Path, squares: None, job_type: str, job_input: dict[str, Any]
) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 5):
            network.validator(n)
        worker = network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec(job_type=job_type, input=json.dumps(job_input)))
        ended = client.wait_job(job_id, 60)
        assert isinstance(ended.body, JobCompleted)
        assert claimed(worker) == 8 * SAGE
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["proofs verified again"] == 1


@pytest.mark.parametrize(
    ("job_type", "job_input", "code"),
    [
        ("inference", {"model": "00", "digits": "0"}, "input_model"),
        ("inference", {"model": default_model().hash.hex(), "digits": "9-0"}, "input_images"),
        ("inference", {"model": default_model().hash.hex(), "images": "*"}, "input_bytes_encoding"),
        ("vm", {"assembly": "fly r1"}, "input_program"),
        ("vm", {"assembly": "halt", "inputs": "/////w=="}, "input_words"),
        ("vm", {"assembly": "halt", "max_cycles": 0}, "input_cycles"),
        ("squares", {"x": 1, "y": 2}, "input_fields"),
    ],
)
def test_bad_input_is_refused_at_admission(
    tmp_path: Path, squares: None, job_type: str, job_input: dict[str, Any], code: str
) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        client = network.funded(20)
        with pytest.raises(CommandRefused) as refused:
            client.submit_job(spec(job_type=job_type, input=json.dumps(job_input)))
        assert refused.value.code == code
