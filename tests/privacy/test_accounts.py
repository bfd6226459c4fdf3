"""Transfers, withdrawals and re-encryptions as bytes: complete, and refused when anything in them or around them changes."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy import equality_proof, opening_proof, range_proof, transcript, transfers
from bitsage.privacy.balances import EMPTY, credited, decrypt_balance, deposited
from bitsage.privacy.curve import ORDER, G, decode_point, encode_point, random_scalar
from bitsage.privacy.elgamal import PaymentKey, encrypt
from bitsage.privacy.errors import AmountOutOfRange, EncodingInvalid, ProofInvalid
from bitsage.privacy.opening_proof import prove_opening, verify_opening
from bitsage.privacy.payments import payment_public_key
from bitsage.privacy.reencryption import make_reencryption, reencryption_size, verify_reencryption
from bitsage.privacy.transfers import Transfer, make_transfer, transfer_size, verify_transfer
from bitsage.privacy.verification import Batch
from bitsage.privacy.withdrawals import WITHDRAWAL_BYTES, make_withdrawal, verify_withdrawal

CLIENT, ESCROW, WORKER, OTHER = (random_scalar() for _ in range(4))
CLIENT_KEY, ESCROW_KEY, WORKER_KEY, OTHER_KEY = map(payment_public_key, (CLIENT, ESCROW, WORKER, OTHER))
# A balance whose randomness its owner does not know in full: a deposit and a credit by somebody else.
GIFT = make_transfer(
    secret=OTHER,
    balance=deposited(EMPTY, 50),
    units=20,
    available_units=50,
    recipients=[CLIENT_KEY],
    factor=1,
    context=b"gift",
)
BALANCE = credited(deposited(EMPTY, 1000), GIFT[2:66] + GIFT[130:194], 3)
AVAILABLE = 1060


@dataclass
class Case:
    """Proof bytes, their statement, the verifier, and where in the bytes points end and scalars begin and end."""

    name: str
    data: bytes
    statement: dict[str, Any]
    verify: Callable[..., Any]

    def check(self, data: bytes | None = None, **changed: Any) -> Any:
        return self.verify(self.data if data is None else data, **{**self.statement, **changed})


def transfer_case(recipients: int = 2) -> Case:
    keys = [ESCROW_KEY, OTHER_KEY][:recipients]
    parts: dict[str, Any] = {"balance": BALANCE, "recipients": keys, "factor": 5, "context": b"transfer"}
    data = make_transfer(secret=CLIENT, units=200, available_units=AVAILABLE, **parts)
    return Case("transfer", data, {"sender_key": CLIENT_KEY, **parts}, verify_transfer)


def withdrawal_case() -> Case:
    parts: dict[str, Any] = {"balance": BALANCE, "units": 60, "context": b"withdrawal"}
    data = make_withdrawal(secret=CLIENT, available_units=AVAILABLE, **parts)
    return Case("withdrawal", data, {"key": CLIENT_KEY, **parts}, verify_withdrawal)


def reencryption_case() -> Case:
    source = credited(EMPTY, GIFT[2:66] + GIFT[130:194])
    parts: dict[str, Any] = {"ciphertext": source, "recipients": [WORKER_KEY, OTHER_KEY], "context": b"reencryption"}
    data = make_reencryption(secret=CLIENT, units=20, **parts)
    return Case("reencryption", data, {"key": CLIENT_KEY, **parts}, verify_reencryption)


CASES = [transfer_case(), withdrawal_case(), reencryption_case()]
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def words(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every point and scalar of a proof, with its place; the head has 1 or 2 bytes."""
    head = len(data) % 32
    place = head
    while place < len(data):
        try:
            decode_point(data[place : place + 64])
            size = 64
        except EncodingInvalid:
            size = 32
        yield place, data[place : place + size]
        place += size


def altered(word: bytes) -> bytes:
    """Another well-formed point or scalar."""
    if len(word) == 64:
        return encode_point(decode_point(word) + G)
    return ((int.from_bytes(word, "big") + 1) % ORDER).to_bytes(32, "big")


@every_case
def test_honest_proofs_hold(case: Case) -> None:
    assert case.check()


@every_case
def test_every_word_of_the_proof_matters(case: Case) -> None:
    assert sum(len(word) for _, word in words(case.data)) > len(case.data) - 32
    for place, word in words(case.data):
        changed = case.data[:place] + altered(word) + case.data[place + len(word) :]
        assert changed != case.data
        assert case.check(changed) is None, place
        batch = Batch()
        for other in CASES:
            # What the batch has to find out is in the equations; only what is malformed is refused at sight.
            assert other.check(changed if other is case else None, batch=batch), place
        assert not batch.holds(), place


@every_case
def test_malformed_words_are_refused_at_sight(case: Case) -> None:
    for place, word in words(case.data):
        for bad in (bytes(len(word)), b"\xff" * len(word)):
            if len(word) == 64 or bad[0]:
                assert case.check(case.data[:place] + bad + case.data[place + len(word) :], batch=Batch()) is None


@every_case
def test_other_lengths_versions_and_counts_are_refused(case: Case) -> None:
    data = case.data
    for bad in (
        b"",
        data[:-1],
        data + b"\0",
        b"\0" + data[1:],
        b"\2" + data[1:],
        data[:1] + bytes([data[1] ^ 1]) + data[2:],
        data * 2,
    ):
        assert case.check(bad, batch=Batch()) is None


@every_case
def test_every_value_of_the_statement_matters(case: Case) -> None:
    for name, value in case.statement.items():
        match value:
            case int():
                others: list[Any] = [value + 1, value - 1, 0, -value, value + ORDER, 2**256]
            case list():
                others = [
                    value[::-1],
                    value[:1],
                    [],
                    [*value, OTHER_KEY],
                    [*value[:1], CLIENT_KEY],
                    [b"", b""],
                    value * 9,
                ]
            case _ if name in ("balance", "ciphertext"):
                point = encode_point(decode_point(value[64:]) + G)
                others = [
                    EMPTY,
                    value[:64] + point,
                    credited(value, value),
                    bytes(64) + value[64:],
                    value[:64] + bytes(64),
                ]
                others += [b"x", bytes(128), value[64:] + value[:64]]
            case _:
                others = [b"", value + b"\0", value[:-1], bytes([value[0] ^ 1]) + value[1:], OTHER_KEY]
        for other in others:
            assert case.check(**{name: other}) is None, (name, other)


def test_sizes() -> None:
    assert [transfer_size(k) for k in (1, 2)] == [2466, 2594]
    assert len(CASES[0].data) == transfer_size(2)
    assert len(CASES[1].data) == WITHDRAWAL_BYTES == 1633
    assert len(CASES[2].data) == reencryption_size(2)


def test_a_transfer_is_read_by_all_its_recipients_and_by_nobody_else() -> None:
    transfer = CASES[0].check()
    assert isinstance(transfer, Transfer)
    for index, secret in enumerate((CLIENT, ESCROW, OTHER)):
        assert decrypt_balance(transfer.handle(index), secret, hint=200) == 200
    assert decrypt_balance(transfer.remaining, CLIENT, hint=60) == 60
    for index in (-1, 3):
        with pytest.raises(IndexError):
            transfer.handle(index)


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_completeness(data: st.DataObject) -> None:
    deposit = data.draw(st.integers(0, 2**48 - 1))
    factor = data.draw(st.integers(1, 2**16 - 1))
    units = data.draw(st.integers(0, min(deposit // factor, 2**40 - 1)))
    left = deposit - factor * units
    taken = data.draw(st.integers(0, left))
    parts: dict[str, Any] = {"balance": deposited(EMPTY, deposit), "recipients": [ESCROW_KEY], "factor": factor}
    data_sent = make_transfer(secret=CLIENT, units=units, available_units=deposit, context=b"", **parts)
    transfer = verify_transfer(data_sent, sender_key=CLIENT_KEY, context=b"", **parts)
    assert transfer is not None
    rest: dict[str, Any] = {"balance": transfer.remaining, "units": taken, "context": b"w"}
    withdrawal = make_withdrawal(secret=CLIENT, available_units=left, **rest)
    remaining = verify_withdrawal(withdrawal, key=CLIENT_KEY, **rest)
    assert remaining is not None
    assert decrypt_balance(remaining, CLIENT, hint=left - taken) == left - taken


def test_everything_can_be_withdrawn_and_an_empty_balance_can_be_refreshed() -> None:
    for balance, have in ((deposited(EMPTY, 7), 7), (EMPTY, 0), (BALANCE, AVAILABLE)):
        parts: dict[str, Any] = {"balance": balance, "units": have, "context": b""}
        remaining = verify_withdrawal(
            make_withdrawal(secret=CLIENT, available_units=have, **parts), key=CLIENT_KEY, **parts
        )
        assert remaining is not None
        assert decrypt_balance(remaining, CLIENT) == 0


def test_more_than_there_is_cannot_be_spent() -> None:
    parts: dict[str, Any] = {"balance": BALANCE, "context": b""}
    to: dict[str, Any] = {"recipients": [ESCROW_KEY], **parts}
    with pytest.raises(AmountOutOfRange):
        make_transfer(secret=CLIENT, units=213, factor=5, available_units=AVAILABLE, **to)
    with pytest.raises(AmountOutOfRange):
        make_withdrawal(secret=CLIENT, units=1061, available_units=AVAILABLE, **parts)
    # Saying that there is more does not help, and the maker refuses to make a proof that nobody would believe.
    with pytest.raises(ProofInvalid):
        make_transfer(secret=CLIENT, units=213, factor=5, available_units=2000, **to)
    with pytest.raises(ProofInvalid):
        make_withdrawal(secret=CLIENT, units=1061, available_units=2000, **parts)
    with pytest.raises(ProofInvalid):
        make_reencryption(secret=CLIENT, ciphertext=BALANCE, units=5, recipients=[WORKER_KEY], context=b"")


@pytest.mark.parametrize(
    "change",
    [
        {"units": -1},
        {"units": 2**40},
        {"factor": 0},
        {"factor": 2**16},
        {"recipients": []},
        {"recipients": [ESCROW_KEY] * 9},
        {"recipients": [bytes(64)]},
        {"secret": 0},
        {"secret": ORDER},
        {"balance": b"x"},
    ],
)
def test_a_transfer_that_cannot_be_made(change: dict[str, Any]) -> None:
    parts: dict[str, Any] = {"secret": CLIENT, "balance": BALANCE, "units": 1, "available_units": AVAILABLE}
    parts |= {"recipients": [ESCROW_KEY], "factor": 1, "context": b""}
    with pytest.raises((AmountOutOfRange, EncodingInvalid)):
        make_transfer(**{**parts, **change})


def test_a_batch_holds_only_if_every_proof_does() -> None:
    batch = Batch()
    assert batch.holds()
    for _ in range(2):
        for case in CASES:
            assert case.check(batch=batch)
    assert len(batch)
    assert batch.holds()
    assert not len(batch)
    place, word = list(words(CASES[1].data))[-1]
    for case in (CASES[0], CASES[2]):
        assert case.check(batch=batch)
    # The forged proof is well formed, so only the batch can tell.
    assert CASES[1].check(CASES[1].data[:place] + altered(word), batch=batch)
    assert not batch.holds()


@every_case
def test_random_bytes_are_refused(case: Case) -> None:
    for length in (0, 1, 2, 64, len(case.data)):
        assert case.check(secrets.token_bytes(length)) is None


def test_sub_proofs_of_one_statement_are_separated() -> None:
    """The two opening proofs of a transfer have one label; the sub-proof's name in the context keeps them apart."""
    key = PaymentKey(CLIENT)
    statement = b"a digest"
    ciphertext = encrypt(5, [key.point], r := random_scalar())
    proof = prove_opening(5, r, ciphertext, [key.point], statement + b"amount")
    assert verify_opening(proof, ciphertext, [key.point], statement + b"amount")
    assert not verify_opening(proof, ciphertext, [key.point], statement + b"remaining" + b"opening")


def test_the_contexts_of_a_transfers_sub_proofs_all_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bytes]] = []

    class Spy(transcript.Transcript):
        def __init__(self, label: str) -> None:
            super().__init__(label)
            self.name = label

        def absorb_bytes(self, data: bytes) -> None:
            seen.append((self.name, data))
            super().absorb_bytes(data)

    for module in (transfers, opening_proof, equality_proof, range_proof):
        monkeypatch.setattr(module, "Transcript", Spy)
    assert CASES[0].check()
    assert len(seen) == len(set(seen)) == 5
    digests = {context[:32] for label, context in seen if label != transfers.LABEL}
    assert len(digests) == 1
    assert sorted(context[32:] for label, context in seen if label != transfers.LABEL) == [
        b"amount",
        b"range",
        b"remainingequality",
        b"remainingopening",
    ]


def test_a_proof_of_another_statement_is_not_a_part_of_this_one() -> None:
    """Every part of a transfer, exchanged for that of a second honest one with the same keys and amounts."""
    one, two = CASES[0], transfer_case()
    cuts = [2, 2 + 64 * 4, 2 + 64 * 6, 2 + 64 * 6 + 320, 2 + 64 * 6 + 512, 2 + 64 * 6 + 768, len(one.data)]
    for start, end in itertools.pairwise(cuts):
        assert one.data[start:end] != two.data[start:end]
        assert one.check(one.data[:start] + two.data[start:end] + one.data[end:]) is None
