"""Commands about hidden amounts for the crash tests, with proofs that are made before anything is sent."""

from typing import Any

from testnetwork import spec

from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.network import Network
from bitsage.nodes.signing import CommandSigner, Prepared
from bitsage.privacy import (
    UNIT,
    deposited,
    make_key_proof,
    make_transfer,
    make_withdrawal,
    payment_public_key,
    verify_transfer,
)
from bitsage.processors.hidden import escrow_context, readers, withdrawal_context
from bitsage.processors.model import account_subject, job_subject
from bitsage.schemas.commands import CancelJob, SubmitJob
from bitsage.schemas.hidden_commands import Deposit, OpenPrivateAccount, Withdraw
from bitsage.schemas.ids import job_id
from bitsage.schemas.parameters import SAGE
from bitsage.wallet import Key


def hidden_commands(network: Network, key: Key, signer: CommandSigner) -> list[Prepared]:
    """A private account, a sealed offer sent twice and taken back, a withdrawal sent twice; proofs made beforehand."""
    rules, own, secret = network.rules(ProductChecks()), account_subject(key.address), key.payment_secret
    public, units, price = payment_public_key(secret), 100 * SAGE // UNIT, 10 * SAGE // (50 * UNIT)
    full = deposited(b"", units)
    about: dict[str, Any] = {"balance": full, "factor": 50, "recipients": readers(rules.escrow_key, rules)}
    about["context"] = escrow_context(rules, key.address, 1)
    offer = make_transfer(secret=secret, units=price, available_units=units, **about)
    locked = verify_transfer(offer, sender_key=public, **about)
    assert locked is not None
    rest = units - 50 * price
    proof = make_withdrawal(
        secret=secret,
        balance=locked.remaining,
        units=rest // 2,
        available_units=rest,
        context=withdrawal_context(rules, key.address, 2),
    )
    opening = OpenPrivateAccount(payment_key=public, key_proof=make_key_proof(secret, key.address))
    job = SubmitJob(spec=spec(cost=0), sequence=1, transfer=offer)
    out = Withdraw(amount=rest // 2 * UNIT, sequence=2, proof=proof)
    # Signed in the order in which they are sent: nonces rise.
    before = [signer.sign(own, opening), signer.sign(own, Deposit(amount=100 * SAGE))]
    first = signer.sign(own, job)
    return [
        *before,
        first,
        signer.sign(own, job),
        signer.sign(job_subject(job_id(key.address, first.envelope.id)), CancelJob()),
        signer.sign(own, out),
        signer.sign(own, out),
    ]
