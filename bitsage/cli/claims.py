"""`sage-worker claim`: payments that wait are decrypted and taken into the balance."""

from typing import Annotated, Any

import typer

from bitsage.amounts import in_sage

from . import output
from .context import client_of, load_key, wallet_name
from .options import AsJson, Name, Password, PasswordFile, job_bytes


def claim_payments(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only the payment for this job.")] = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Decrypt the payments that wait and take them into the balance."""
    from bitsage.nodes.claims import claim, claimable

    from .events import document

    wanted = None if job is None else job_bytes(job)
    with client_of(load_key(wallet_name(name, "worker"), password, password_file)) as client:
        waiting = [p for p in claimable(client) if wanted in (None, p.encrypted.job_id)]
        if wanted is not None and not waiting:
            raise _why_not(client, wanted)
        taken: list[dict[str, Any]] = []
        for payment in waiting:
            amount, answers = claim(client, payment)
            events = [document(answer) for answer in answers]
            taken.append({"job_id": payment.encrypted.job_id.hex(), "amount": str(amount), "events": events})
            if not as_json:
                output.say(f"claimed {in_sage(amount)} SAGE for job {payment.encrypted.job_id.hex()}")
    total = sum(int(one["amount"]) for one in taken)
    if as_json:
        output.emit_json({"claimed": taken, "total": str(total)})
    elif not taken:
        output.say("no payment waits to be claimed")


def _why_not(client: Any, job_id: bytes) -> Exception:
    from bitsage.nodes.errors import CommandRefused
    from bitsage.schemas.events import PaymentClaimed, PaymentDue
    from bitsage.schemas.reasons import REASONS

    bodies = [a.body for a in client.history(("accounts",), client.subject)]
    of_job = [type(b) for b in bodies if getattr(b, "job_id", None) == job_id]
    code = (
        "already_claimed" if PaymentClaimed in of_job else "not_encrypted_yet" if PaymentDue in of_job else "no_payment"
    )
    return CommandRefused(code, REASONS[code])
