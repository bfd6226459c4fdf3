"""Keys and network of the crash test, shared by the test and the process that it kills."""

from bitsage.nodes.network import Network
from bitsage.privacy import payment_public_key
from bitsage.schemas.parameters import Parameters
from bitsage.streams.seal import seal_key
from bitsage.wallet import Key

AUTHORITY = Key(424_242)
NETWORK = Network(
    chain_id="crash",
    authority="0x" + AUTHORITY.address.hex(),
    authority_key="0x" + AUTHORITY.public_key.hex(),
    seal_key=seal_key(AUTHORITY.seal_secret).hex(),
    escrow_key=payment_public_key(AUTHORITY.payment_secret).hex(),
    parameters=Parameters(),
)
