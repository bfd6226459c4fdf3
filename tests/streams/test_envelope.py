"""Ids, nonces, chains and headers of records."""

import hashlib
import re
import uuid

import pytest

from bitsage.schemas.types import CommandEnvelope, EventEnvelope
from bitsage.streams.codec import fingerprint_of
from bitsage.streams.envelope import (
    LANE_SHIFT,
    chain_hash,
    cloud_event_headers,
    event_id,
    follow_up_id,
    follow_up_nonce,
    fresh_nonce,
    uuid7,
)

EVENT = EventEnvelope(
    id=bytes(range(16)), type="Staked", subject="0x" + "12" * 32, sequence=7, previous=bytes(32), at=1_790_000_000_123,
    cause=bytes(16), correlation=bytes(range(16, 32)), actor=b"\xab" * 32, public_key=bytes(32), signature=bytes(64),
    command="StakeTokens", nonce=5, payload_hash=bytes(32),
)  # fmt: skip
COMMAND = CommandEnvelope(
    id=bytes(range(16)), type="StakeTokens", subject="0x" + "12" * 32, at=1_790_000_000_123, correlation=bytes(16),
    actor=b"\xab" * 32, public_key=bytes(32), nonce=5, signature=bytes(64),
)  # fmt: skip


def test_an_event_has_the_headers_of_cloud_events_and_of_w3c_traces() -> None:
    """CloudEvents 1.0, Kafka protocol binding, section 3.2 (binary mode); W3C Trace Context, section 3.2."""
    headers = cloud_event_headers(EVENT, fingerprint_of("events", "Staked"))
    named = dict(headers)
    assert len(named) == len(headers)
    assert named["ce_specversion"] == b"1.0"
    assert named["ce_id"] == EVENT.id.hex().encode()
    assert named["ce_type"] == b"network.bitsage.Staked"
    assert named["ce_source"] == b"/bitsage/" + b"ab" * 32
    assert named["ce_subject"] == EVENT.subject.encode()
    assert named["ce_time"] == b"2026-09-21T14:13:20.123Z"
    assert named["ce_dataschema"] == b"urn:bitsage:avro:" + fingerprint_of("events", "Staked").hex().encode()
    assert named["content-type"] == b"application/avro"
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", named["traceparent"])
    # One trace for a whole job.
    assert named["traceparent"].split(b"-")[1] == EVENT.correlation.hex().encode()


def test_a_command_has_them_too() -> None:
    named = dict(cloud_event_headers(COMMAND, fingerprint_of("commands", "StakeTokens")))
    assert named["ce_type"] == b"network.bitsage.StakeTokens"
    assert set(named) == set(dict(cloud_event_headers(EVENT, bytes(8))))


def test_an_event_id_is_that_of_its_cause_and_place() -> None:
    words = (b"c" * 16, 1, "Staked", "StakeTokens", "subject", 7)
    text = b"c" * 16 + b"\0\0\0\1" + b"Staked\0StakeTokens\0subject\0" + (7).to_bytes(8, "big")
    assert event_id(*words) == event_id(*words) == hashlib.sha256(text).digest()[:16]
    others = [(b"d" * 16, 2, "Slashed", "SlashStake", "other", 8)[k] for k in range(6)]
    changed = {event_id(*(*words[:k], others[k], *words[k + 1 :])) for k in range(6)}  # type: ignore[arg-type]
    assert len(changed | {event_id(*words)}) == 7
    assert follow_up_id(b"c" * 16, 1, "Staked") not in changed


def test_command_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    ids = [uuid7(ms) for ms in (1, 2, 1_790_000_000_123, 2**48 - 1)]
    assert ids == sorted(ids)
    for found in (*ids, uuid7()):
        assert uuid.UUID(bytes=found).variant == uuid.RFC_4122
        assert found[6] >> 4 == 7
    assert len({uuid7(5) for _ in range(100)}) == 100


def test_nonces_stay_in_their_lanes_and_rise() -> None:
    assert fresh_nonce() >> LANE_SHIFT == 0
    assert fresh_nonce(3) >> LANE_SHIFT == 3
    rising = [follow_up_nonce(2, offset, index) for offset in range(3) for index in (0, 1, 255)]
    assert rising == sorted(set(rising))
    assert {nonce >> LANE_SHIFT for nonce in rising} == {3}
    # It has to fit the signed 64 bits of an Avro long.
    assert follow_up_nonce(125, (1 << 48) - 1, 255) < 1 << 63


@pytest.mark.parametrize("wrong", [(0, 0, 256), (0, 0, -1), (0, 1 << 48, 0), (0, -1, 0), (126, 0, 0), (-1, 0, 0)])
def test_a_nonce_out_of_range_is_an_error(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        follow_up_nonce(*wrong)


def test_a_chain_is_linked_by_the_whole_record() -> None:
    assert chain_hash(b"record") == hashlib.sha256(b"record").digest()
