"""Founding a network (the coordinator's key and the network file), and opening an account in it."""

from pathlib import Path

from bitsage.nodes.client import Answer, Client
from bitsage.nodes.errors import CommandRefused, NotConfigured
from bitsage.nodes.network import Network, new_chain_id, read_network, write_network
from bitsage.privacy import payment_public_key
from bitsage.streams.seal import seal_key
from bitsage.wallet import Key, format_address

from .context import config
from .wallets import load_or_make


def found_network(
    name: str, password: str | None, password_file: Path | None, *, show_words: bool | None
) -> tuple[Key, Network, bool]:
    """The coordinator's key and the network of the home folder, made where they are missing; whether it was made now.

    Raises:
        NotConfigured: the network file belongs to another coordinator's key.
        WalletError, InputError: the keystore cannot be opened or made.
    """
    settings = config()
    there = settings.network_file.exists()
    if there and not settings.keystore(name).exists():
        raise NotConfigured(
            f"{settings.network_file} belongs to a coordinator whose keystore {settings.keystore(name)} is missing"
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    key, _ = load_or_make(name, password, password_file, show_words=show_words)
    if there:
        anchor = read_network(settings.network_file)
        if anchor != _network(key, anchor):
            raise NotConfigured(f"{settings.network_file} belongs to another coordinator than the wallet {name}")
        return key, anchor, False
    anchor = _network(key, None)
    write_network(settings.network_file, anchor)
    return key, anchor, True


def _network(key: Key, like: Network | None) -> Network:
    settings = config()
    return Network(
        chain_id=(settings.chain_id or new_chain_id()) if like is None else like.chain_id,
        authority=format_address(key.address),
        authority_key="0x" + key.public_key.hex(),
        seal_key=seal_key(key.seal_secret).hex(),
        escrow_key=payment_public_key(key.payment_secret).hex(),
        parameters=settings.parameters() if like is None else like.parameters,
        auditor_key=(settings.network.auditor_key or "") if like is None else like.auditor_key,
    )


def open_account(client: Client) -> list[Answer]:
    """Announce the account and ask for test tokens; what was done before is not done again.

    Raises:
        CommandRefused: the faucet refused.
        AnswerTimeout: no coordinator answered.
    """
    answers: list[Answer] = []
    try:
        answers += client.create_wallet()
    except CommandRefused as refusal:
        if refusal.code != "wallet_exists":
            raise
    return answers + client.request_tokens()
