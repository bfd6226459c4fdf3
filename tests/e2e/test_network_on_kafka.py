"""The life of a job on the real broker, all nodes in this process (tests/e2e/lifecycle.sh runs them apart)."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from testnetwork import claimed, running, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.audit_horizon import resting_place
from bitsage.schemas.events import JobCompleted
from bitsage.schemas.parameters import SAGE
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.topics import topic_name


@pytest.mark.kafka
def test_a_job_is_proven_judged_and_paid_on_a_real_broker(fresh_topics: LocalKafka, tmp_path: Path) -> None:
    log = KafkaLog({"bootstrap.servers": fresh_topics.bootstrap})
    with running(log, tmp_path) as network:
        for n in range(1, 5):
            network.validator(n)
        worker = network.worker(10)
        client = network.funded(20)
        job_id = network.sealed(client)
        # Beside the running network, with transactions on their way.
        assert audit(log, network.network).findings == []
        ended = client.wait_job(job_id, 60)
        assert isinstance(ended.body, JobCompleted)
        assert claimed(worker) == 8 * SAGE
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["state hashes"] == 7


@pytest.mark.kafka
def test_commands_that_expired_are_not_needed(fresh_topics: LocalKafka, tmp_path: Path) -> None:
    settings = {"bootstrap.servers": fresh_topics.bootstrap}
    log = KafkaLog(settings)
    with running(log, tmp_path) as network:
        client = network.funded(20)
        job_id = network.sealed(client)
        decided = wait(lambda: resting_place(log))
        cut = [TopicPartition(topic_name("commands"), p, offset) for p, offset in decided.items()]
        admin = AdminClient(settings)
        for done in admin.delete_records(cut).values():
            done.result(30)
        network.validator(1)
        network.worker(10)
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["events folded without their commands"] > 3
    assert verdict.counts["commands executed again"] > 10
