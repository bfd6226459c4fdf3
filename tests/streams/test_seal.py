"""The seal: bound to its key, its chain, its topic and every byte."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bitsage.streams.seal import HEADER, SealCheck, Sealer, seal_key

SECRET = bytes(range(32))
SEALER = Sealer(SECRET, "chain")


def test_the_message_is_as_documented() -> None:
    message = b"bitsage seal v2\0" + b"\0\x05chain" + b"\0\x05topic" + b"value"
    Ed25519PublicKey.from_public_bytes(seal_key(SECRET)).verify(SEALER.seal("topic", b"value"), message)
    assert SEALER.public_key == seal_key(SECRET)


@pytest.mark.parametrize("chain", ["", "chai", "chain2", "chain\0", "CHAIN"])
def test_a_seal_of_another_chain_is_none(chain: str) -> None:
    headers = ((HEADER, SEALER.seal("topic", b"value")),)
    assert SEALER.check()("topic", b"value", headers)
    assert not SealCheck([SEALER.public_key], chain)("topic", b"value", headers)
    assert not SEALER.check().signed("topic", b"value", Sealer(SECRET, chain).seal("topic", b"value"))


def test_texts_do_not_run_into_each_other() -> None:
    for chain, topic, value in (
        ("chai", "ntopic", b"value"),
        ("chain", "topicv", b"alue"),
        ("chainto", "pic", b"value"),
    ):
        assert Sealer(SECRET, chain).seal(topic, value) != SEALER.seal("topic", b"value")


def test_exactly_one_good_seal() -> None:
    check, good = SEALER.check(), (HEADER, SEALER.seal("topic", b"value"))
    stranger = (HEADER, Sealer(bytes(32), "chain").seal("topic", b"value"))
    assert check("topic", b"value", (("other", b"1"), good))
    for headers in ((), (stranger,), (good, good), (good, stranger), ((HEADER, None),), ((HEADER, b""),)):
        assert not check("topic", b"value", headers)
    assert not check("topic", None, (good,))
    assert not check("topic2", b"value", (good,))
    assert not check("topic", b"valuf", (good,))
    assert SealCheck([Sealer(bytes(32), "chain").public_key, SEALER.public_key], "chain")("topic", b"value", (good,))
