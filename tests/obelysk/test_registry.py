"""Job types as plug-ins: loading by entry points, broken and duplicate ones, and the documented example end to end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.jobwork import binding, job_input, judge, prove_attempt
from bitsage.nodes.openjobs import OpenJob
from bitsage.obelysk import (
    GROUP,
    JOB_TYPES,
    DuplicateJobType,
    JobInputInvalid,
    JobTypeFailed,
    JobTypes,
    MatmulJob,
    UnknownJobType,
    registry,
)
from bitsage.schemas.events import JobAssigned, JobSpec, JobSubmitted, ProofGenerated
from bitsage.schemas.parameters import Parameters
from bitsage.stark import P, ProofRefused, TraceInvalid

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
BINDING = bytes(range(32))
REQUEST = {"x": 1, "y": 5, "log_rows": 6}
WORKER = b"w" * 32


class Dist:
    def __init__(self, name: str) -> None:
        self.name = name


def entry(name: str, value: str, package: str = "other") -> EntryPoint:
    made = EntryPoint(name, value, GROUP)
    vars(made)["dist"] = Dist(package)
    return made


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobTypes]:
    """The example as an installed distribution: its module and its metadata on the path."""
    info = tmp_path / "bitsage_squares-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bitsage-squares\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nsquares = squares:SquaresJob\n")
    for folder in (EXAMPLE, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    types = JobTypes()
    monkeypatch.setattr(registry, "JOB_TYPES", types)
    yield types
    sys.modules.pop("squares", None)


class Broken(MatmulJob):
    """Fails in ways that a job type must not."""

    name = "broken"

    def validate(self, request: Any) -> None:
        raise ZeroDivisionError("a plug-in's own mistake")

    run = validate

    def verify(self, *arguments: Any) -> None:
        raise KeyError("a plug-in's own mistake")


class NoName(MatmulJob):
    name = "No Name"


class NoLimits:
    name = "nolimits"


def test_own_types_come_from_entry_points_as_well() -> None:
    names = {e.name for e in entry_points(group=GROUP)}
    assert "matmul" in names
    assert names >= set(JOB_TYPES)
    assert not JOB_TYPES.problems


def test_the_example_has_less_than_80_lines_and_its_metadata_names_it() -> None:
    import tomllib

    assert len((EXAMPLE / "squares.py").read_text(encoding="utf-8").splitlines()) < 80
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == {"squares": "squares:SquaresJob"}


def test_the_example_is_loaded_run_proven_and_verified(plugin: JobTypes) -> None:
    job = plugin.get_job_type("squares")
    assert set(plugin) >= {"matmul", "squares"}
    output = job.run(REQUEST)
    assert job.decode_output(job.encode_output(output)) == output
    proof = job.prove(REQUEST, output, BINDING)
    job.verify(REQUEST, output, proof, BINDING)
    job.verify(REQUEST, job.output_hash(output), proof, BINDING)
    for request, claimed, bound in (
        ({**REQUEST, "x": 2}, output, BINDING),
        ({**REQUEST, "y": 6}, output, BINDING),
        ({**REQUEST, "log_rows": 7}, output, BINDING),
        (REQUEST, (output + 1) % P, BINDING),
        (REQUEST, None, BINDING),
        (REQUEST, bytes(32), BINDING),
        (REQUEST, output, bytes(32)),
    ):
        with pytest.raises(ProofRefused):
            job.verify(request, claimed, proof, bound)
    with pytest.raises(TraceInvalid):
        job.prove(REQUEST, (output + 1) % P, BINDING)


def attempt(name: str, text: str) -> OpenJob:
    spec = JobSpec(job_type=name, input=text, max_cost=1, tier="", tee=False, priority=0, deadline=0)
    job_id = b"j" * 16
    return OpenJob(
        job_id,
        submitted=JobSubmitted(job_id=job_id, client=WORKER, spec=spec),
        assigned=JobAssigned(job_id=job_id, attempt=1, worker=WORKER, cost=1, expires_at=2**50),
    )


def test_the_example_goes_through_admission_worker_and_validator(plugin: JobTypes) -> None:
    text = job_input(REQUEST)
    checks = ProductChecks()
    assert checks.job_input("squares", text) is None
    assert checks.job_input("squares", job_input({**REQUEST, "log_rows": 3})) is not None
    assert checks.job_input("squares", job_input({**REQUEST, "z": 3})) is not None
    work = prove_attempt(attempt("squares", text), WORKER, None)
    proof = ProofGenerated(
        job_id=b"j" * 16,
        attempt=1,
        worker=WORKER,
        **{name: getattr(work, name) for name in type(work).__dataclass_fields__},
    )
    assert judge("squares", text, proof, Parameters()) == (True, "valid")
    assert judge("squares", job_input({**REQUEST, "x": 3}), proof, Parameters()) == (False, "output_mismatch")
    assert binding(b"j" * 16, 1, WORKER).hex() in work.public_inputs


def test_a_plugin_that_fails_stops_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    types = JobTypes(list)
    types.add(Broken())
    monkeypatch.setattr(registry, "JOB_TYPES", types)
    refusal = ProductChecks().job_input("broken", "{}")
    assert refusal == ("job_type_failed", "the job type 'broken' failed with ZeroDivisionError")
    with pytest.raises(JobTypeFailed, match="ZeroDivisionError"):
        prove_attempt(attempt("broken", "{}"), WORKER, None)


def test_what_cannot_be_used_is_one_sentence_and_stops_nothing_else(tmp_path: Path) -> None:
    here = __name__
    sys.modules[here] = sys.modules.get(here) or sys.modules[Broken.__module__]
    found = [
        entry("matmul", "bitsage.obelysk.matmul_job:MatmulJob", "bitsage"),
        entry("missing", "no_such_module_anywhere:Job"),
        entry("attribute", "bitsage.obelysk.matmul_job:NoSuchJob"),
        entry("misnamed", "bitsage.obelysk.matmul_job:MatmulJob"),
        entry("nolimits", f"{here}:NoLimits"),
        entry("noname", f"{here}:NoName"),
        entry("broken", f"{here}:Broken"),
    ]
    types = JobTypes(lambda: found)
    assert set(types) == {"matmul", "broken"}
    assert set(types.problems) == {"missing", "attribute", "misnamed", "nolimits", "noname"}
    for name, sentence in types.problems.items():
        assert "\n" not in sentence
        assert name in sentence
        assert "other" in sentence
        with pytest.raises(UnknownJobType) as error:
            types.get_job_type(name)
        assert str(error.value) == sentence


def test_duplicates_are_refused_and_own_types_stay() -> None:
    target = "bitsage.obelysk.matmul_job:MatmulJob"
    types = JobTypes(lambda: [entry("matmul", target, "aaa"), entry("matmul", target, "bitsage")])
    assert set(types) == {"matmul"}
    assert types.problems["matmul"].endswith("that of bitsage is used: remove the others")
    types = JobTypes(lambda: [entry("matmul", target, "aaa"), entry("matmul", target, "bbb")])
    assert not set(types)
    with pytest.raises(UnknownJobType, match="offered by aaa, bbb; none of them is used"):
        types.get_job_type("matmul")
    types = JobTypes(list)
    types.add(MatmulJob())
    with pytest.raises(DuplicateJobType):
        types.add(MatmulJob())
    with pytest.raises(TypeError):
        types.add(NoLimits())  # type: ignore[arg-type]


def test_unknown_names_are_told_what_is_known() -> None:
    with pytest.raises(UnknownJobType, match=r"known are .*matmul"):
        registry.get_job_type("nonsense")


def test_a_public_value_outside_the_transcript_is_refused(plugin: JobTypes, monkeypatch: pytest.MonkeyPatch) -> None:
    job: Any = plugin.get_job_type("squares")
    monkeypatch.setattr(type(job), "public_inputs", lambda self, request, output: {**request, "result": output, "z": 1})
    with pytest.raises(TypeError, match="'z' is not mixed"):
        job.statement(REQUEST, BINDING)


def test_a_reason_of_a_plugins_own_needs_no_table() -> None:
    assert str(JobInputInvalid("odd")) == "odd: the job type refuses the input"
