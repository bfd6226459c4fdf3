"""`sage-coordinator submit-job` and `wait-job`: a job is sent, and followed to its end."""

from pathlib import Path

import typer

from bitsage.errors import InputError
from bitsage.nodes.purse import Purse
from bitsage.nodes.signing import now_ms
from bitsage.schemas.events import JobSpec

from . import output
from .context import client_of, onlooker
from .events import body_document, document, line
from .failures import REFUSED
from .founding import open_account
from .jobs import Wish, is_end, life_of
from .shared import show_answers
from .wallets import load_or_make


def submit(
    wish: Wish,
    wallet: str,
    password: str | None,
    password_file: Path | None,
    *,
    show_words: bool | None,
    wait: float | None,
    as_json: bool,
) -> None:
    """Send a job; a wallet that is not there yet is made and gets test tokens. `wait`: seconds to wait for its end.

    Raises:
        InputError: the job cannot be what is wished for, or its input is larger than the network takes.
    """
    spec = wish.spec(now_ms())
    # Before a wallet is made: no wallet is left behind by a command that could not do anything.
    _refuse_large(spec)
    key, fresh = load_or_make(wallet, password, password_file, show_words=show_words)
    with client_of(key) as client:
        if fresh:
            for answer in open_account(client):
                output.remark(line(answer))
        if wish.open_offer:
            job_id, answers = client.submit_job(spec)
        else:
            purse = Purse(client)
            purse.check_price(wish.price)
            for answer in purse.cover(wish.price):
                output.remark(line(answer))
            job_id, answers = purse.submit_job(spec, wish.price)
        if not as_json or wait is not None:
            (output.remark if as_json else output.say)(f"job {job_id.hex()} is submitted")
        if wait is not None:
            wait_for(job_id, wait, as_json)
        elif as_json:
            output.emit_json({"job_id": job_id.hex(), "events": [document(answer) for answer in answers]})
        else:
            show_answers(answers, False)


def _refuse_large(spec: JobSpec) -> None:
    with onlooker() as reader:
        most = reader.network.parameters.job_input_max_bytes
    if len(spec.input.encode()) > most:
        # Nor a deposit: what is refused here would be refused by the network, or be no record that a topic takes.
        raise InputError(
            "input_too_large",
            f"the job's input is larger than the {most} bytes that this network takes; send a smaller one",
        )


def wait_for(job_id: bytes, timeout: float, as_json: bool) -> None:
    """Follow a job to its end; exit 1 when it ended without a result.

    Raises:
        AnswerTimeout: it is not over after `timeout` seconds.
        InputError: the log has no such job.
    """
    last, events = None, []
    with onlooker() as client:
        for answer in life_of(client, job_id, follow=True, timeout=timeout):
            events.append(document(answer))
            output.remark(line(answer))
            if is_end(answer.body):
                last = answer
    assert last is not None, "life_of ends with the job or raises"
    name = last.envelope.type
    outcome = {"JobCompleted": "completed", "JobFailed": "failed", "JobCancelled": "cancelled"}.get(name, "rejected")
    if as_json:
        output.emit_json(
            {"job_id": job_id.hex(), "outcome": outcome, "result": body_document(last.body), "events": events}
        )
    else:
        output.say(f"job {job_id.hex()}: {outcome}")
    if outcome != "completed":
        raise typer.Exit(REFUSED)


__all__ = ["Wish", "submit", "wait_for"]
