"""`sage-worker claim`: payments that wait are folded in, and withdrawn unless they are to stay hidden."""

from typing import Annotated, Any

import typer

from bitsage.amounts import in_sage, to_base_units

from . import output
from .context import client_of, load_key, wallet_name
from .options import AsJson, Name, Password, PasswordFile, job_bytes


def claim_payments(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only if the payment for this job waits.")] = None,
    keep_private: Annotated[
        bool, typer.Option("--keep-private", help="Leave it in the hidden balance: no amount becomes public.")
    ] = False,
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="SAGE", help="Withdraw so much; default: everything available.")
    ] = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take in the payments that wait, then withdraw to the public balance. A withdrawal is public: withdrawing each payment
    by itself shows what it was."""
    if keep_private and amount is not None:
        raise typer.BadParameter("--keep-private withdraws nothing: it does not go with --amount")
    wanted = None if job is None else job_bytes(job)
    units = None if amount is None else to_base_units(amount)
    with client_of(load_key(wallet_name(name, "worker"), password, password_file)) as client:
        _claim(client, wanted, keep_private=keep_private, amount=units, as_json=as_json)


def _claim(client: Any, job_id: bytes | None, *, keep_private: bool, amount: int | None, as_json: bool) -> None:
    """Fold what is pending, then withdraw; print what was paid and what moved.

    Raises:
        CommandRefused: the payment of `job_id` is not among what is pending.
        PurseError: more is to be withdrawn than is available.
    """
    from bitsage.nodes.errors import CommandRefused
    from bitsage.nodes.purse import Purse

    from .events import document

    purse = Purse(client)
    paid: list[tuple[bytes, int]] = []
    answers: list[Any] = []
    try:
        paid, answers = purse.claim(job_id)
    except CommandRefused as refusal:
        # Nothing arrived; an earlier claim may have kept something private.
        if job_id is not None or refusal.code not in ("nothing_pending", "no_private_account"):
            raise
    moved = 0
    if not keep_private and purse.read().private.payment_key:
        moved, more = purse.withdraw(amount)
        answers = [*answers, *more]
    total = sum(units for _, units in paid)
    if as_json:
        claimed = [{"job_id": job.hex(), "amount": str(units)} for job, units in paid]
        events = [document(answer) for answer in answers]
        output.emit_json({"claimed": claimed, "total": str(total), "withdrawn": str(moved), "events": events})
        return
    for job, units in paid:
        output.say(f"claimed {in_sage(units)} SAGE for job {job.hex()}")
    if moved:
        output.say(f"withdrew {in_sage(moved)} SAGE to the public balance")
    if not answers:
        output.say("no payment waits to be claimed")
