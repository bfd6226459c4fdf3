"""Records that are no events, or not the next of their chain, are counted and change nothing else."""

import dataclasses

import pytest

from bitsage.projections.canonical import state_hash
from bitsage.projections.feed import check_all, fold_into
from bitsage.projections.models import MODELS, model_named
from bitsage.projections.store import Store
from bitsage.schemas import events as e
from bitsage.streams.codec import decode_event, encode_event
from bitsage.streams.topics import partition_for, topic_name

NAMES = [model.name for model in MODELS]


def anomalies(fold, records):
    rows = fold("balances", records, "select topic, partition, offset, code, subject from anomalies order by offset")
    return [(row["code"], row["subject"]) for row in rows]


def grant(kit, chain, amount=5):
    return chain.event(kit.name("w"), e.TokensGranted(amount=amount, gas_amount=0))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_single_object"),
        (b"", "not_single_object"),
        (b"garbage garbage garbage", "not_single_object"),
        (b"\xc3\x01" + bytes(40), "schema_unknown"),
    ],
)
def test_garbage_is_counted_and_stops_nothing(kit, fold, value, code) -> None:
    chain = kit.Chain()
    grant(kit, chain)
    chain.append("accounts", b"anything", value)
    grant(kit, chain)
    assert anomalies(fold, chain.records) == [(code, "")]
    assert fold("balances", chain.records, "select balance from accounts") == [{"balance": "10"}]


@pytest.mark.parametrize("model", NAMES)
def test_garbage_on_every_topic_of_every_model(kit, fold, model) -> None:
    chain = kit.life()
    for topic in model_named(model).topics:
        for partition in range(kit.topics[topic].partitions):
            chain.append(topic, None, b"\x00garbage", partition=partition)
    rows = fold(model, chain.records, "select topic, count(*) as n from anomalies group by topic")
    assert {row["topic"]: row["n"] for row in rows} == {t: kit.topics[t].partitions for t in model_named(model).topics}


def test_truncated_event(kit, fold) -> None:
    chain = kit.Chain()
    whole = grant(kit, chain)
    chain.append("accounts", whole.key, whole.value[:-3])
    assert anomalies(fold, chain.records) == [("malformed", "")]


def test_a_doubled_event_does_not_double_a_balance(kit, fold) -> None:
    chain = kit.Chain()
    first = grant(kit, chain)
    chain.append("accounts", first.key, first.value)
    grant(kit, chain)
    assert anomalies(fold, chain.records) == [("sequence_repeated", first.key.decode())]
    assert fold("balances", chain.records, "select balance from accounts") == [{"balance": "10"}]


def test_a_gap_and_what_follows_it_are_not_folded(kit, fold) -> None:
    chain = kit.Chain()
    for _ in range(4):
        grant(kit, chain)
    del chain.records[1]
    who = kit.subject(kit.name("w"))
    assert anomalies(fold, chain.records) == [("sequence_gap", who)] * 2
    assert fold("balances", chain.records, "select balance from accounts") == [{"balance": "5"}]


def test_a_forged_successor_does_not_fit_the_chain(kit, fold) -> None:
    chain = kit.Chain()
    first = grant(kit, chain)
    envelope, body = decode_event(first.value)
    forged = encode_event(dataclasses.replace(envelope, sequence=2, previous=bytes(32)), body)
    chain.append("accounts", first.key, forged)
    grant(kit, chain)
    assert anomalies(fold, chain.records) == [("chain_broken", first.key.decode())]
    assert fold("balances", chain.records, "select balance from accounts") == [{"balance": "10"}]


def test_a_first_event_that_is_not_the_first(kit, fold) -> None:
    chain = kit.Chain()
    chain.event(kit.name("w"), e.TokensGranted(amount=5, gas_amount=0), sequence=7)
    assert anomalies(fold, chain.records)[0][0] == "sequence_gap"


def test_wrong_key_partition_topic_and_subject(kit, fold) -> None:
    chain, other = kit.Chain(), kit.name("other")
    record = grant(kit, chain)
    chain.records.clear()
    chain.append("accounts", None, record.value, partition=record.partition)
    chain.append("accounts", record.key, record.value, partition=(partition_for(record.key) + 1) % 6)
    chain.event(kit.name("w"), e.WorkerReturned(worker=kit.name("w")), topic="accounts")
    chain.event(kit.name("v"), e.WalletCreated(address=other, public_key=other))
    fee = {"job_id": bytes(16), "attempt": 1, "payer": other, "source": "job_fee"}
    chain.event(kit.name("v"), e.FeesDistributed(amount=1, burnt=1, treasury=0, stakers=0, **fee))
    chain.event("elsewhere", e.TokensGranted(amount=1, gas_amount=0))
    codes = sorted(code for code, _ in anomalies(fold, chain.records))
    assert codes == ["wrong_key", "wrong_partition", "wrong_subject", "wrong_subject", "wrong_subject", "wrong_topic"]


def test_a_job_event_under_another_jobs_name(kit, fold) -> None:
    chain = kit.Chain()
    chain.event("00" * 16, e.JobStarted(job_id=b"\x01" * 16, attempt=1, worker=kit.name("w")))
    chain.event("treasury", e.JobMatched(job_id=bytes(16), attempt=1, worker=kit.name("w")))
    rows = fold("jobs", chain.records, "select code from anomalies")
    assert [row["code"] for row in rows] == ["wrong_subject", "wrong_subject"]


def test_unsealed_records_are_not_folded_when_seals_are_checked(kit) -> None:
    chain = kit.Chain()
    good, bad = grant(kit, chain), grant(kit, chain)
    store = Store(model_named("balances"), None, sealed=True)
    fold_into(store, check_all(chain.records, lambda topic, value, headers: value == good.value))
    rows = kit.table(store, "select offset, code from anomalies")
    assert rows == [{"offset": bad.offset, "code": "unsealed"}]
    assert kit.table(store, "select balance from accounts") == [{"balance": "5"}]
    assert topic_name("accounts") == good.topic
    store.close()


def test_anomalies_are_part_of_the_state(kit) -> None:
    chain = kit.Chain()
    grant(kit, chain)
    clean = kit.folded("balances", chain.records)
    chain.append("accounts", b"x", b"y")
    soiled = kit.folded("balances", chain.records)
    hashes = [state_hash(store.model, store.connection) for store in (clean, soiled)]
    assert hashes[0] != hashes[1]
    clean.close()
    soiled.close()
