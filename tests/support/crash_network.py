"""Keys, network and commands of the crash tests, shared by the tests and the processes that they kill."""

from crash_hidden import hidden_commands
from testnetwork import spec

from bitsage.nodes.network import Network
from bitsage.nodes.signing import CommandSigner
from bitsage.privacy import payment_public_key
from bitsage.processors.model import account_subject, job_subject
from bitsage.schemas.commands import (
    CancelJob,
    CreateWallet,
    RequestTokens,
    RequestUnstake,
    StakeTokens,
    SubmitJob,
    WithdrawStake,
)
from bitsage.schemas.ids import job_id
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.streams.log import Outgoing
from bitsage.streams.seal import seal_key
from bitsage.wallet import Key

AUTHORITY = Key(424_242)
#: Every so many-th account holds hidden amounts.
HIDDEN = 25
NETWORK = Network(
    chain_id="crash",
    authority="0x" + AUTHORITY.address.hex(),
    authority_key="0x" + AUTHORITY.public_key.hex(),
    seal_key=seal_key(AUTHORITY.seal_secret).hex(),
    escrow_key=payment_public_key(AUTHORITY.payment_secret).hex(),
    parameters=Parameters(),
)


def commands_of(n: int) -> tuple[list[Outgoing], list[bytes]]:
    """20 signed commands of one account, some of which must be refused, and their ids."""
    key = Key(5_000_000 + n)
    signer, own = CommandSigner(key, NETWORK.chain_id), account_subject(key.address)
    bodies = [CreateWallet(), RequestTokens(), CreateWallet(), RequestTokens()]
    bodies += [StakeTokens(amount=k * 100 * SAGE, tier="consumer") for k in (1, 10, 10, 20, 30, 5)]
    bodies += [RequestUnstake(amount=500 * SAGE), WithdrawStake(), RequestUnstake(amount=10**9 * SAGE)]
    prepared = [signer.sign(own, body) for body in bodies]
    if n % HIDDEN == 0:
        prepared += hidden_commands(NETWORK, key, signer)
        return [p.record for p in prepared], [p.envelope.id for p in prepared]
    for seed in range(3):
        asked = signer.sign(own, SubmitJob(spec=spec(seed=seed, cost=100)))
        prepared.append(asked)
        prepared.append(signer.sign(job_subject(job_id(key.address, asked.envelope.id)), CancelJob()))
    prepared.append(signer.sign(own, SubmitJob(spec=spec(cost=10**8))))
    return [p.record for p in prepared], [p.envelope.id for p in prepared]
