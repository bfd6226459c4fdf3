"""Known traps of Fiat-Shamir proofs: each attack works on the broken variant and fails on ours."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fastecdsa.rust import Point
from poseidon_py.poseidon_hash import poseidon_hash_many

from bitsage.privacy import (
    equality_proof,
    key_proof,
    opening_proof,
    range_proof,
    reencryption,
    transcript,
    transfers,
    value_proof,
    withdrawals,
)
from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.elgamal import Ciphertext, PaymentKey, encrypt
from bitsage.privacy.equality_proof import EqualityProof, prove_equality, verify_equality
from bitsage.privacy.key_proof import KeyProof, prove_key, verify_key
from bitsage.privacy.opening_proof import OpeningProof, prove_opening, verify_opening
from bitsage.privacy.value_proof import (
    Form,
    ValueProof,
    prove_value_as_receiver,
    prove_value_as_sender,
    verify_value,
)

CONTEXT = b"a context"


def forge_key() -> bool:
    """Without the secret: A = z*P - c*H."""
    public = G * random_scalar()
    challenge = key_proof._challenge(public, CONTEXT, G)
    z = random_scalar()
    return verify_key(KeyProof(public * z - H * challenge, z), public, CONTEXT)


def forge_opening_commitment() -> bool:
    """The commitment is any point, nobody knows an opening."""
    public, r, b = PaymentKey.generate().point, random_scalar(), random_scalar()
    ciphertext = Ciphertext(H + G * random_scalar(), (public * r,))
    handles = (public * b,)
    challenge = opening_proof._challenge(ciphertext, [public], CONTEXT, G, handles)
    z_m, z_r = random_scalar(), (b + challenge * r) % ORDER
    first = G * z_m + H * z_r - ciphertext.commitment * challenge
    return verify_opening(OpeningProof(first, handles, z_m, z_r), ciphertext, [public], CONTEXT)


def forge_opening_handle() -> bool:
    """The handle has nothing to do with the commitment: the recipient could never decrypt."""
    public, r, m, a, b = PaymentKey.generate().point, *(random_scalar() for _ in range(4))
    ciphertext = Ciphertext(G * m + H * r, (G * random_scalar(),))
    first = G * a + H * b
    challenge = opening_proof._challenge(ciphertext, [public], CONTEXT, first, (G,))
    z_m, z_r = (a + challenge * m) % ORDER, (b + challenge * r) % ORDER
    handles = (public * z_r - ciphertext.handle * challenge,)
    return verify_opening(OpeningProof(first, handles, z_m, z_r), ciphertext, [public], CONTEXT)


def forge_sender_amount() -> bool:
    """The ciphertext holds 1 and is said to hold 1000."""
    public, r, k = PaymentKey.generate().point, random_scalar(), random_scalar()
    ciphertext = encrypt(1, [public], r)
    second = public * k
    challenge = value_proof._challenge(Form.SENDER, 1000, ciphertext, public, CONTEXT, G, second)
    z = (k + challenge * r) % ORDER
    first = H * z - (ciphertext.commitment - G * 1000) * challenge
    return verify_value(Form.SENDER, ValueProof(first, second, z), 1000, ciphertext, public, CONTEXT)


def forge_sender_handle() -> bool:
    """The amount is right and the handle is garbage."""
    public, r, k = PaymentKey.generate().point, random_scalar(), random_scalar()
    ciphertext = Ciphertext(encrypt(1000, [public], r).commitment, (G * random_scalar(),))
    first = H * k
    challenge = value_proof._challenge(Form.SENDER, 1000, ciphertext, public, CONTEXT, first, G)
    z = (k + challenge * r) % ORDER
    second = public * z - ciphertext.handle * challenge
    return verify_value(Form.SENDER, ValueProof(first, second, z), 1000, ciphertext, public, CONTEXT)


def forge_receiver_key() -> bool:
    """Without the secret of P: the forger made the ciphertext and knows X = t*D."""
    public, t, d = PaymentKey.generate().point, random_scalar(), G * random_scalar()
    ciphertext = Ciphertext(G * 1000 + d * t, (d,))
    k = random_scalar()
    second = d * k
    challenge = value_proof._challenge(Form.RECEIVER, 1000, ciphertext, public, CONTEXT, G, second)
    z = (k + challenge * t) % ORDER
    first = public * z - H * challenge
    return verify_value(Form.RECEIVER, ValueProof(first, second, z), 1000, ciphertext, public, CONTEXT)


def forge_receiver_amount() -> bool:
    """The owner of the key says that a payment of 1 was one of 1000."""
    key = PaymentKey.generate()
    ciphertext = encrypt(1, [key.point], random_scalar())
    k = random_scalar()
    first = key.point * k
    challenge = value_proof._challenge(Form.RECEIVER, 1000, ciphertext, key.point, CONTEXT, first, G)
    z = (k + challenge * key.secret) % ORDER
    second = ciphertext.handle * z - (ciphertext.commitment - G * 1000) * challenge
    return verify_value(Form.RECEIVER, ValueProof(first, second, z), 1000, ciphertext, key.point, CONTEXT)


def equality_forgery(position: int, units: int) -> bool:
    """Source 1 under a key, target `units` for a recipient; one of the three checks is solved for its announcement."""
    key, recipient = PaymentKey.generate(), PaymentKey.generate().point
    r, k, nonce = (random_scalar() for _ in range(3))
    source, target = encrypt(1, [key.point], random_scalar()), encrypt(units, [recipient], r)
    secret = key.secret
    if position == 4:
        # Nobody knows the source's secret; C = C' + t*D - r*H is made to fit a t of the forger's.
        public, secret, handle = G * random_scalar(), random_scalar(), G * random_scalar()
        source = Ciphertext(target.commitment + handle * secret - H * r, (handle,))
    else:
        public = key.point
    if position == 6:
        # The handle is not made with r, so that the recipient could not decrypt.
        target = Ciphertext(target.commitment, (G * random_scalar(),))
    announced = [public * k, source.handle * k - H * nonce, recipient * nonce]
    announced[position - 4] = G
    c = equality_proof._challenge(source, public, target, recipient, CONTEXT, *announced)
    z_s, z_r = (k + c * secret) % ORDER, (nonce + c * r) % ORDER
    solved = (
        public * z_s - H * c,
        source.handle * z_s - H * z_r - (source.commitment - target.commitment) * c,
        recipient * z_r - target.handle * c,
    )
    announced[position - 4] = solved[position - 4]
    return verify_equality(EqualityProof(*announced, z_s, z_r), source, public, target, recipient, CONTEXT)


def forge_equality_key() -> bool:
    """Without the source's secret."""
    return equality_forgery(4, 1)


def forge_equality_amount() -> bool:
    """The source holds 1 and the target 1000."""
    return equality_forgery(5, 1000)


def forge_equality_handle() -> bool:
    """The amount is right and the target's handle is garbage."""
    return equality_forgery(6, 1)


# The attack, the module whose challenge it needs broken, and which argument that challenge would have to leave out.
ATTACKS: list[tuple[Callable[[], bool], ModuleType, int, Any]] = [
    (forge_key, key_proof, 2, G),
    (forge_opening_commitment, opening_proof, 3, G),
    (forge_opening_handle, opening_proof, 4, (G,)),
    (forge_sender_amount, value_proof, 5, G),
    (forge_sender_handle, value_proof, 6, G),
    (forge_receiver_key, value_proof, 5, G),
    (forge_receiver_amount, value_proof, 6, G),
    (forge_equality_key, equality_proof, 5, G),
    (forge_equality_amount, equality_proof, 6, G),
    (forge_equality_handle, equality_proof, 7, G),
]


@pytest.mark.parametrize(("attack", "module", "position", "blank"), ATTACKS, ids=[a[0].__name__ for a in ATTACKS])
def test_an_announcement_left_out_would_be_forgeable(
    monkeypatch: pytest.MonkeyPatch, attack: Callable[[], bool], module: ModuleType, position: int, blank: Any
) -> None:
    assert not attack()
    real = module._challenge

    def weak(*arguments: Any) -> int:
        return int(real(*arguments[:position], blank, *arguments[position + 1 :]))

    monkeypatch.setattr(module, "_challenge", weak)
    assert attack()


def spied(monkeypatch: pytest.MonkeyPatch, prove: Callable[[], object]) -> tuple[list[int], object]:
    seen: list[int] = []

    def spy(elements: list[int]) -> int:
        seen.extend(elements)
        return int(poseidon_hash_many(elements))

    monkeypatch.setattr(transcript, "poseidon_hash_many", spy)
    return seen, prove()


def assert_absorbed(seen: list[int], label: str, *points: Point) -> None:
    assert seen[0] == int.from_bytes(label.encode(), "big")
    assert int.from_bytes(CONTEXT, "big") in seen
    for point in points:
        assert any(seen[i : i + 2] == [point.x, point.y] for i in range(len(seen) - 1))


def test_every_public_value_is_absorbed(monkeypatch: pytest.MonkeyPatch) -> None:
    key, r = PaymentKey.generate(), random_scalar()
    public, c = key.point, encrypt(987654321, [key.point], r)
    seen, proof = spied(monkeypatch, lambda: prove_key(key, CONTEXT))
    assert isinstance(proof, KeyProof)
    assert_absorbed(seen, key_proof.LABEL, public, proof.announcement)
    seen, proof = spied(monkeypatch, lambda: prove_opening(987654321, r, c, [public], CONTEXT))
    assert isinstance(proof, OpeningProof)
    announcements = (proof.commitment_announcement, *proof.handle_announcements)
    assert_absorbed(seen, opening_proof.LABEL, public, c.commitment, c.handle, *announcements)
    provers: dict[Form, Callable[[], ValueProof]] = {
        Form.SENDER: lambda: prove_value_as_sender(987654321, r, c, public, CONTEXT),
        Form.RECEIVER: lambda: prove_value_as_receiver(987654321, key, c, CONTEXT),
    }
    other = PaymentKey.generate().point
    target = encrypt(987654321, [other], r)
    seen, proof = spied(monkeypatch, lambda: prove_equality(key, c, r, target, other, CONTEXT))
    assert isinstance(proof, EqualityProof)
    announcements = (proof.key_announcement, proof.amount_announcement, proof.handle_announcement)
    statement = (public, c.commitment, c.handle, target.commitment, target.handle, other)
    assert_absorbed(seen, equality_proof.LABEL, *statement, *announcements)
    for form, prove in provers.items():
        seen, proof = spied(monkeypatch, prove)
        assert isinstance(proof, ValueProof)
        announcements = (proof.first_announcement, proof.second_announcement)
        assert_absorbed(seen, form.value, public, c.commitment, c.handle, *announcements)
        assert 987654321 in seen


def test_labels_are_all_different() -> None:
    modules = (key_proof, opening_proof, equality_proof, range_proof, transfers, withdrawals, reencryption)
    assert len({*(module.LABEL for module in modules), *(form.value for form in Form)}) == 9


def test_a_nonce_used_twice_would_give_the_secret_away() -> None:
    key = PaymentKey.generate()
    nonce = random_scalar()
    one, two = (prove_key(key, context, lambda bits: nonce) for context in (b"one", b"two"))
    c1, c2 = (key_proof._challenge(key.point, x, p.announcement) for x, p in ((b"one", one), (b"two", two)))
    assert (one.response - two.response) * pow(c1 - c2, -1, ORDER) % ORDER == key.secret


def test_no_nonce_is_used_twice() -> None:
    key, r = PaymentKey.generate(), random_scalar()
    c = encrypt(5, [key.point], r)
    for prove in (
        lambda: prove_key(key, CONTEXT),
        lambda: prove_opening(5, r, c, [key.point], CONTEXT),
        lambda: prove_value_as_sender(5, r, c, key.point, CONTEXT),
        lambda: prove_value_as_receiver(5, key, c, CONTEXT),
        lambda: prove_equality(key, c, r, c, key.point, CONTEXT),
    ):
        assert len({prove().to_bytes()[:64] for _ in range(10)}) == 10


def test_an_opening_proof_draws_a_nonce_for_each_witness() -> None:
    key, r = PaymentKey.generate(), random_scalar()
    c = encrypt(5, [key.point], r)
    draws = [random_scalar(), random_scalar()]
    left = iter(draws)
    proof = prove_opening(5, r, c, [key.point], CONTEXT, lambda bits: next(left))
    assert proof.commitment_announcement == G * draws[0] + H * draws[1]
    assert next(left, None) is None


def test_the_same_label_for_both_forms_would_let_a_proof_be_read_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With secret 1, P is H: one transcript for both forms would make the sender's proof one of the receiver's kind."""
    key = PaymentKey(1)
    r = 1
    c = encrypt(5, [key.point], r)
    proof = prove_value_as_sender(5, r, c, key.point, CONTEXT)
    assert not verify_value(Form.RECEIVER, proof, 5, c, key.point, CONTEXT)
    real = value_proof._challenge
    monkeypatch.setattr(value_proof, "_challenge", lambda form, *rest: real(Form.SENDER, *rest))
    assert verify_value(Form.RECEIVER, proof, 5, c, key.point, CONTEXT)


def test_equality_nonces_used_twice_would_give_secret_and_randomness_away() -> None:
    key, r = PaymentKey.generate(), random_scalar()
    c = encrypt(5, [key.point], r)
    nonce = random_scalar()
    one, two = (prove_equality(key, c, r, c, key.point, context, lambda bits: nonce) for context in (b"1", b"2"))
    challenges = [
        equality_proof._challenge(
            c, key.point, c, key.point, x, p.key_announcement, p.amount_announcement, p.handle_announcement
        )
        for x, p in ((b"1", one), (b"2", two))
    ]
    inverse = pow(challenges[0] - challenges[1], -1, ORDER)
    assert (one.secret_response - two.secret_response) * inverse % ORDER == key.secret
    assert (one.randomness_response - two.randomness_response) * inverse % ORDER == r
