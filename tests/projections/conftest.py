"""Builds chains of events as records of the log, and a log that holds given records."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bitsage.projections.feed import check_all, fold_into
from bitsage.projections.models import model_named
from bitsage.projections.store import Store
from bitsage.schemas import events as e
from bitsage.schemas.events import EVENT_TOPIC
from bitsage.schemas.types import ZERO_HASH, EventBody, EventEnvelope
from bitsage.streams.codec import encode_event
from bitsage.streams.envelope import chain_hash, event_id
from bitsage.streams.log import Record
from bitsage.streams.topics import TOPICS, partition_for, topic_name

SAGE = 10**18


def name(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def subject(address: bytes) -> str:
    return "0x" + address.hex()


class Chain:
    """Appends events to subjects' chains; `records` is one valid order of the whole log."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._heads: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self.now = 1_700_000_000_000

    def event(self, who: str | bytes, body: EventBody, *, topic: str | None = None, **envelope: Any) -> Record:
        where = topic or EVENT_TOPIC[type(body).__name__]
        who = who if isinstance(who, str) else subject(who)
        sequence, previous = self._heads.get((where, who), (0, ZERO_HASH))
        self.now += 1000
        cause = name(f"{where}{who}{sequence}")[:16]
        values: dict[str, Any] = {
            "id": event_id(cause, 0, type(body).__name__, "Test", who, sequence + 1),
            "type": type(body).__name__,
            "subject": who,
            "sequence": sequence + 1,
            "previous": previous,
            "at": self.now,
            "cause": cause,
            "correlation": bytes(16),
            "actor": bytes(32),
            "public_key": bytes(32),
            "signature": bytes(64),
            "command": "Test",
            "nonce": 0,
            "payload_hash": bytes(32),
        }
        head = EventEnvelope(**(values | envelope))
        value = encode_event(head, body)
        self._heads[where, who] = (head.sequence, chain_hash(value))
        return self.append(where, who.encode(), value)

    def append(self, topic: str, key: bytes | None, value: bytes | None, *, partition: int | None = None) -> Record:
        place = partition_for(key or b"") if partition is None else partition
        offset = self._ends.get((topic, place), 0)
        self._ends[topic, place] = offset + 1
        record = Record(topic_name(topic), place, offset, self.now, key, value, ())
        self.records.append(record)
        return record


class HeldReader:
    def __init__(self, log: "HeldLog", positions: dict[tuple[str, int], int], follow: bool) -> None:
        self._log, self._positions, self._follow = log, dict(positions), follow

    def read(self, max_records: int, timeout: float) -> list[Record]:
        batch = []
        for record in self._log.records:
            key = (record.topic, record.partition)
            if key in self._positions and record.offset >= self._positions[key] and len(batch) < max_records:
                batch.append(record)
                self._positions[key] = record.offset + 1
        if not batch and self._follow:
            import time

            time.sleep(min(timeout, 0.01))
        return batch

    def end_offsets(self) -> dict[tuple[str, int], int]:
        ends = dict.fromkeys(self._positions, 0)
        for record in self._log.records:
            key = (record.topic, record.partition)
            if key in ends:
                ends[key] = max(ends[key], record.offset + 1)
        return ends

    def close(self) -> None:
        pass


class HeldLog:
    """A log that holds the given records in the given interleaving."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)

    def reader(self, positions: dict[tuple[str, int], int], *, follow: bool) -> HeldReader:
        return HeldReader(self, positions, follow)


def life() -> Chain:
    """A client, two workers, four validators: a job is paid, one voted down, disputed and failed, one refused; an unstake."""
    chain = Chain()
    client, worker, cheat = name("client"), name("worker"), name("cheat")
    validators = sorted(name(f"validator {i}") for i in range(4))
    for who, stake in ((client, 0), (worker, 1000), (cheat, 1000), *((v, 10_000) for v in validators)):
        chain.event(who, e.WalletCreated(address=who, public_key=name("key" + who.hex())))
        chain.event(who, e.TokensGranted(amount=20_000 * SAGE, gas_amount=SAGE))
        if stake:
            chain.event(who, e.Staked(amount=stake * SAGE, total=stake * SAGE, tier="consumer"))
    for who in (worker, cheat):
        chain.event(
            who,
            e.WorkerRegistered(
                worker=who,
                tier="consumer",
                gpu_model="T4",
                stake=1000 * SAGE,
                payment_key=b"\x02" * 64,
                job_types=["matmul"],
                slots=4,
                attested=False,
            ),
        )
        chain.event(
            "network",
            e.CapacityChanged(
                worker=who, tier="consumer", reputation=500, slots=4, attested=False, job_types=["matmul"]
            ),
        )
    for epoch, who in enumerate(validators, 1):
        chain.event(who, e.ValidatorRegistered(validator=who, stake=10_000 * SAGE))
        chain.event("network", e.ValidatorSetChanged(epoch=epoch, validators=validators[:epoch]))
    _paid_job(chain, client, worker, validators)
    _failed_job(chain, client, cheat, validators)
    _hidden_amounts(chain, client, worker)
    _disputes(chain, cheat, validators)
    chain.event(client, e.JobRejected(job_id=name("poor")[:16], reason="insufficient_funds", details="not enough"))
    chain.event(client, e.CommandRejected(command="ClaimPayment", reason="nothing_due"), topic="accounts")
    chain.event(worker, e.UnstakeRequested(amount=400 * SAGE, unlock_at=1_800_000_000_000))
    chain.event(worker, e.UnstakeRequested(amount=100 * SAGE, unlock_at=1_800_000_100_000))
    chain.event(worker, e.Unstaked(amount=400 * SAGE))
    return chain


def _open_job(chain: Chain, job: bytes, client: bytes, worker: bytes, validators: list[bytes], proof: bytes) -> None:
    spec = e.JobSpec(
        job_type="matmul",
        input='{"n":16}',
        max_cost=10 * SAGE,
        tier="consumer",
        tee=False,
        priority=1,
        deadline=1_800_000_000_000,
    )
    key = job.hex()
    chain.event(client, e.EscrowLocked(job_id=job, amount=10 * SAGE))
    chain.event(key, e.JobSubmitted(job_id=job, client=client, spec=spec), correlation=job)
    chain.event(
        "network",
        e.JobQueued(
            job_id=job,
            attempt=1,
            job_type="matmul",
            tier="consumer",
            tee=False,
            priority=1,
            submitted_at=1,
            excluded=[],
        ),
    )
    chain.event("network", e.JobMatched(job_id=job, attempt=1, worker=worker))
    chain.event(key, e.JobAssigned(job_id=job, attempt=1, worker=worker, cost=8 * SAGE, expires_at=1_700_009_000_000))
    chain.event(key, e.JobStarted(job_id=job, attempt=1, worker=worker))
    output = name("output")
    chain.event(
        key,
        e.ProofGenerated(
            job_id=job,
            attempt=1,
            worker=worker,
            output_hash=output,
            public_inputs="{}",
            proof=b"proof",
            proof_hash=proof,
            proof_system="stark",
            security_bits=96,
            backend="numpy",
            run_ms=5,
            prove_ms=50,
        ),
    )
    chain.event("network", e.TallyRequested(job_id=job, attempt=1, proof_hash=proof, epoch=4))
    chain.event(
        key,
        e.TallyOpened(
            job_id=job,
            attempt=1,
            worker=worker,
            proof_hash=proof,
            output_hash=output,
            validators=validators,
            epoch=4,
            threshold=3,
            expires_at=1_700_009_000_000,
        ),
    )


def _judge(chain: Chain, job: bytes, worker: bytes, validators: list[bytes], proof: bytes, *, valid: bool) -> None:
    key = job.hex()
    for index, validator in enumerate(validators):
        says = valid if index else not valid
        vote = e.VoteCast(
            job_id=job,
            attempt=1,
            proof_hash=proof,
            validator=validator,
            valid=says,
            reason="" if says else "invalid",
        )
        chain.event(key, vote)
    chain.event(
        key, e.VoteRejected(job_id=job, proof_hash=proof, validator=validators[1], reason="duplicate_vote", details="")
    )
    chain.event(
        key,
        e.ConsensusReached(
            job_id=job,
            attempt=1,
            worker=worker,
            proof_hash=proof,
            output_hash=name("output"),
            outcome="approved" if valid else "rejected",
            votes_valid=3 if valid else 1,
            votes_invalid=1 if valid else 3,
            threshold=3,
            contrary=[validators[0]],
            reporter=None if valid else validators[1],
        ),
    )


def _hidden_amounts(chain: Chain, client: bytes, worker: bytes) -> None:
    """A deposit, a transfer that arrives and one that comes back, a sealed offer that is refunded, a withdrawal."""
    key, job = b"\x03" * 64, name("poor")[:16]
    sealed = {"transfer": b"proof", "ciphertext": b"C" * 192}
    chain.event(client, e.PrivateAccountOpened(payment_key=key, key_proof=b"proof"))
    chain.event(client, e.Deposited(amount=5 * SAGE, available=b"1" * 128, sequence=1))
    for sequence, other in ((2, worker), (3, name("stranger"))):
        chain.event(
            client,
            e.TransferSent(recipient=other, recipient_key=key, available=b"2" * 128, sequence=sequence, **sealed),
        )
    arrival = {"ciphertext": b"c" * 128, "pending": b"p" * 128}
    chain.event(worker, e.TransferReceived(sender=client, transfer_sequence=2, credit=2, **arrival))
    chain.event(name("stranger"), e.TransferBounced(sender=client, transfer_sequence=3))
    chain.event(client, e.TransferReturned(recipient=name("stranger"), transfer_sequence=3, credit=1, **arrival))
    chain.event(client, e.EscrowLocked(job_id=job, amount=0, available=b"4" * 128, sequence=4, **sealed))
    chain.event(client, e.EscrowRefunded(job_id=job, amount=0, reason="cancelled", credit=2, **arrival))
    chain.event(client, e.PaymentClaimed(available=b"5" * 128, sequence=5, credit=2))
    chain.event(client, e.Withdrawn(amount=5 * SAGE, proof=b"proof", available=b"", sequence=6))


def _paid_job(chain: Chain, client: bytes, worker: bytes, validators: list[bytes]) -> None:
    job, proof, bound = name("job")[:16], name("proof"), name("commitment")
    _open_job(chain, job, client, worker, validators, proof)
    _judge(chain, job, worker, validators, proof, valid=True)
    done = e.JobCompleted(job_id=job, attempt=1, worker=worker, proof_hash=proof, output_hash=name("output"))
    chain.event(job.hex(), done)
    chain.event("network", e.JobWithdrawn(job_id=job, attempt=1, worker=worker))
    wage, fee = 64 * SAGE // 10, 16 * SAGE // 10
    binding: dict[str, Any] = {"proof_commitment": bound, "payment_nonce": 7}
    chain.event(
        client,
        e.EscrowReleased(
            job_id=job, worker=worker, worker_amount=wage, protocol_amount=fee, refund=2 * SAGE, **binding
        ),
    )
    chain.event(worker, e.PaymentDue(job_id=job, worker=worker, amount=wage, payment_key=b"\x02" * 64, **binding))
    arrived = {"payment": b"ciphertext", "ciphertext": b"C" * 128, "pending": b"P" * 128, "credit": 1}
    chain.event(worker, e.PaymentEncrypted(job_id=job, worker=worker, **arrived, **binding))
    chain.event(worker, e.PaymentClaimed(available=b"A" * 128, sequence=1, credit=1))
    chain.event(worker, e.Withdrawn(amount=wage, proof=b"w", available=b"B" * 128, sequence=2))
    parts = {"burnt": fee * 70 // 100, "treasury": fee * 20 // 100, "stakers": fee * 10 // 100}
    chain.event(
        "treasury", e.FeesDistributed(job_id=job, attempt=1, payer=client, source="job_fee", amount=fee, **parts)
    )
    change = e.ReputationChanged(before=500, after=515, reason="job_done", job_id=job, attempt=1, failures=0)
    chain.event(worker, change)


def _failed_job(chain: Chain, client: bytes, cheat: bytes, validators: list[bytes]) -> None:
    job, proof = name("cheated job")[:16], name("false proof")
    _open_job(chain, job, client, cheat, validators, proof)
    _judge(chain, job, cheat, validators, proof, valid=False)
    taken = 100 * SAGE
    chain.event(
        cheat,
        e.Slashed(
            amount=taken,
            reason="invalid_proof",
            job_id=job,
            attempt=1,
            reporter=validators[1],
            reporter_amount=taken // 2,
            burnt=taken * 3 // 10,
            treasury=taken * 2 // 10,
            remaining=900 * SAGE,
        ),
    )
    chain.event(
        validators[1], e.RewardGranted(amount=taken // 2, slashed=cheat, reason="invalid_proof", job_id=job, attempt=1)
    )
    slash = {"amount": taken // 2, "burnt": taken * 3 // 10, "treasury": taken * 2 // 10, "stakers": 0}
    chain.event("treasury", e.FeesDistributed(job_id=job, attempt=1, payer=cheat, source="invalid_proof", **slash))
    chain.event(job.hex(), e.JobReassigned(job_id=job, worker=cheat, next_attempt=2, reason="invalid_proof"))
    chain.event(cheat, e.WorkerDeparted(worker=cheat, reason="stake_below_minimum"))
    chain.event(cheat, e.WorkerWentOffline(worker=cheat, reason="no_heartbeat"))
    chain.event(job.hex(), e.JobFailed(job_id=job, reason="attempts_exhausted"))
    chain.event(client, e.EscrowRefunded(job_id=job, amount=10 * SAGE, reason="attempts_exhausted"))


def _disputes(chain: Chain, cheat: bytes, validators: list[bytes]) -> None:
    """One that expires, and one that is lost; then a restitution, whatever it may be for."""
    job, proof = name("cheated job")[:16], name("false proof")
    at = {"job_id": job, "attempt": 1}
    for n, (outcome, verdict) in enumerate((("expired", "expired"), ("upheld", "rejected")), 1):
        chain.event(cheat, e.DisputeFiled(**at, filing=n, bond=100 * SAGE))
        chain.event("network", e.RetrialRequested(**at, disputer=cheat, epoch=4))
        opened = e.DisputeOpened(
            **at, round=n, disputer=cheat, filing=n, decision="rejected", worker=cheat, proof_hash=proof,
            output_hash=name("output"), validators=validators, epoch=4, threshold=3, expires_at=1_700_009_000_000,
        )  # fmt: skip
        chain.event(job.hex(), opened)
        for index, validator in enumerate(validators if n == 2 else validators[:1]):
            vote = e.DisputeVoteCast(
                **at, round=n, proof_hash=proof, validator=validator, valid=not index, reason="" if index else "seen"
            )
            chain.event(job.hex(), vote)
        resolved = e.DisputeResolved(
            **at, round=n, disputer=cheat, worker=cheat, proof_hash=proof, outcome=outcome, verdict=verdict,
            votes_valid=1, votes_invalid=3 if n == 2 else 0, threshold=3, contrary=validators[:1] if n == 2 else [],
            reporter=validators[1] if n == 2 else None,
        )  # fmt: skip
        chain.event(job.hex(), resolved)
    chain.event(cheat, e.BondReturned(**at, amount=100 * SAGE, outcome="expired"))
    parts = {"burnt": 30 * SAGE, "treasury": 20 * SAGE}
    lost = e.BondForfeited(**at, amount=100 * SAGE, reporter=validators[1], reporter_amount=50 * SAGE, **parts)
    chain.event(cheat, lost)
    chain.event(validators[1], e.RewardGranted(**at, amount=50 * SAGE, slashed=cheat, reason="dispute_lost"))
    fees = e.FeesDistributed(**at, payer=cheat, source="dispute_lost", amount=50 * SAGE, **parts, stakers=0)
    chain.event("treasury", fees)
    chain.event(
        job.hex(),
        e.VerdictEnforced(**at, round=2, part=0, contrary=validators[:1], wrong=[], wronged=[], beneficiary=cheat),
    )
    change = e.ReputationChanged(**at, before=500, after=450, reason="dispute_lost", failures=0)
    chain.event(validators[0], change)
    chain.event("treasury", e.RestitutionPaid(**at, account=cheat, amount=SAGE, shortfall=SAGE, reason="invalid_proof"))
    chain.event(cheat, e.RestitutionGranted(**at, amount=SAGE, reason="invalid_proof"))


def folded(model: str, records: Iterable[Record], *, batch: int = 1000, path: Path | None = None) -> Store:
    store = Store(model_named(model), path)
    pending = list(records)
    for start in range(0, len(pending), batch):
        fold_into(store, check_all(pending[start : start + batch], None))
    return store


def table(store: Store, sql: str) -> list[dict[str, Any]]:
    cursor = store.connection.execute(sql)
    names = [entry[0] for entry in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


class Kit:
    """What the tests of this folder share."""

    Chain, HeldLog, SAGE, topics = Chain, HeldLog, SAGE, TOPICS
    name, subject, life = staticmethod(name), staticmethod(subject), staticmethod(life)
    folded, table = staticmethod(folded), staticmethod(table)
    replace = staticmethod(dataclasses.replace)


@pytest.fixture
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def fold() -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """fold(model, records, sql) -> rows; the stores are closed afterwards."""
    stores: list[Store] = []

    def run(model: str, records: Iterable[Record], sql: str) -> list[dict[str, Any]]:
        stores.append(folded(model, records))
        return table(stores[-1], sql)

    yield run
    for store in stores:
        store.close()
