"""Many disputes at once: the votes on proofs do not wait for them."""

from pathlib import Path

import pytest
from testnetwork import TestNetwork, spec

from bitsage.nodes.openjobs import OpenJob
from bitsage.nodes.validator import ValidatorNode
from bitsage.schemas import events as e
from bitsage.streams.memory_log import InMemoryLog
from tests.nodes.test_timer import proof, submitted

ANYBODY = b"\x07" * 32


def dispute(n: int, judge: bytes) -> e.DisputeOpened:
    return e.DisputeOpened(
        job_id=bytes([n]) * 16, attempt=1, round=1, disputer=ANYBODY, filing=n, decision="approved", worker=ANYBODY,
        proof_hash=bytes(32), output_hash=bytes(32), validators=[judge], epoch=1, threshold=1, expires_at=90 - n,
    )  # fmt: skip


def test_between_two_disputes_that_a_validator_looks_into_it_votes_on_proofs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = TestNetwork(InMemoryLog(), tmp_path)
    client = network.client(1)
    looked: list[bytes] = []

    def disputed(_: object, opened: e.DisputeOpened) -> tuple[e.JobSpec, e.ProofGenerated]:
        looked.append(opened.job_id)
        return spec(), proof()

    monkeypatch.setattr("bitsage.nodes.validator.disputed", disputed)
    node = ValidatorNode(client, tmp_path, judgement=lambda *_: (True, "valid"))
    for n in range(1, 6):
        node.open_disputes.fold(dispute(n, client.key.address))
    node._look()
    assert looked == [bytes([5]) * 16], "one, and the one that ends first"
    opened = e.TallyOpened(
        job_id=submitted().job_id, attempt=1, worker=ANYBODY, proof_hash=bytes(32), output_hash=bytes(32),
        validators=[client.key.address], epoch=1, threshold=1, expires_at=45_000,
    )  # fmt: skip
    for body in (submitted(), proof(), opened):
        node.open_jobs._fold_open(node.open_jobs.jobs.setdefault(opened.job_id, OpenJob(opened.job_id)), body, 0)
    node._look()
    assert (opened.job_id, 1, bytes(32), 0) in node._voted
    assert len(looked) == 2
    for _ in range(9):
        node._look()
    assert sorted(looked) == [bytes([n]) * 16 for n in range(1, 6)], "each once, and all of them"
