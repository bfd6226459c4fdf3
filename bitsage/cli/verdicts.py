"""`sage-coordinator verify-proof`: a job's proofs, judged on this machine or by validators over HTTP."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from bitsage.errors import InputError
from bitsage.nodes.client import Answer, Client
from bitsage.nodes.jobwork import judge
from bitsage.nodes.validator_client import ValidatorClient
from bitsage.nodes.verdicts import statement_of
from bitsage.processors.model import job_subject
from bitsage.schemas.events import ConsensusReached, JobSpec, JobSubmitted, ProofGenerated
from bitsage.wallet import format_address, parse_address

from . import logs, output
from .context import config, onlooker
from .events import body_document, place
from .failures import REFUSED


@dataclass(frozen=True, slots=True)
class Checked:
    """One proof of a job, judged by this process; `decision` is what the validators decided, if they did."""

    proof: Answer
    valid: bool
    reason: str
    decision: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class _Proven:
    """What the log has of a job: what was asked, its proofs (at least one), and the decisions on them."""

    spec: JobSpec
    proofs: list[tuple[Answer, ProofGenerated]]
    decided: dict[tuple[int, bytes], str]


def _proven(client: Client, job_id: bytes) -> _Proven:
    answers = client.history(("jobs", "proofs", "votes"), job_subject(job_id))
    submitted = next((a.body for a in answers if isinstance(a.body, JobSubmitted)), None)
    if submitted is None:
        raise InputError("unknown_job", f"there is no job {job_id.hex()} in the log")
    proofs = [(a, a.body) for a in answers if isinstance(a.body, ProofGenerated)]
    if not proofs:
        raise InputError("no_proof", f"job {job_id.hex()} has no proof yet")
    decisions = [a.body for a in answers if isinstance(a.body, ConsensusReached)]
    return _Proven(submitted.spec, proofs, {(d.attempt, d.proof_hash): d.outcome for d in decisions})


def check_proofs(client: Client, job_id: bytes) -> list[Checked]:
    """Verify every proof of a job anew, from the log alone.

    Raises:
        InputError: the log has no such job (`unknown_job`) or no proof of it (`no_proof`).
    """
    job = _proven(client, job_id)
    checked = []
    for answer, proof in job.proofs:
        started = time.monotonic()
        valid, reason = judge(job.spec.job_type, job.spec.input, proof, client.network.parameters)
        outcome = job.decided.get((proof.attempt, proof.proof_hash))
        checked.append(Checked(answer, valid, reason, outcome, time.monotonic() - started))
    return checked


def verify_here(job_id: bytes, as_json: bool) -> None:
    """Print what this machine finds of a job's proofs; exit 1 when the last one is not valid.

    Raises:
        InputError: as `check_proofs`.
    """
    with onlooker() as client:
        checked = check_proofs(client, job_id)
    if as_json:
        proofs = [
            {
                **body_document(c.proof.body),
                "valid": c.valid,
                "reason": c.reason,
                "decision": c.decision,
                "verify_seconds": round(c.seconds, 3),
                "place": place(c.proof),
            }
            for c in checked
        ]
        output.emit_json({"job_id": job_id.hex(), "valid": checked[-1].valid, "proofs": proofs})
    else:
        for c in checked:
            verdict = "valid" if c.valid else f"not valid ({c.reason})"
            decision = f"; the validators decided: {c.decision}" if c.decision else ""
            output.say(f"proof at {place(c.proof)}: {verdict}, verified in {c.seconds:.2f} s{decision}")
    if not checked[-1].valid:
        raise typer.Exit(REFUSED)


def verify_elsewhere(job_id: bytes, via: str, trust: Sequence[str], deadline_s: float, as_json: bool) -> None:
    """Print the verdicts on a job's proofs, each had within `deadline_s`.

    Raises:
        InputError: a URL is none (`bad_argument`), or the log has no such job or no proof of it.
        ValidatorsUnreachable, StatementRefused: no verdict can be had.
    """
    urls = [url.strip() for url in via.split(",")]
    if any(not url.startswith(("http://", "https://")) for url in urls):
        raise InputError(
            "bad_argument", "--via takes URLs that begin with http:// or https://, with commas between them"
        )
    # Which validators failed is a remark, not the answer.
    logs.set_up(config().log.level, config().log.format)
    trusted = [format_address(parse_address(one)) for one in trust]
    with onlooker() as client:
        job, chain_id = _proven(client, job_id), client.network.chain_id
    asked = ValidatorClient(urls, chain_id, validators=trusted, deadline_s=deadline_s)
    verdicts = []
    for answer, proof in job.proofs:
        statement = statement_of(job.spec.job_type, job.spec.input, proof)
        verdict, url = asked.validate(statement, proof.proof)
        verdicts.append((answer, verdict, url))
    valid = verdicts[-1][1].valid
    if as_json:
        documents = [{**v.as_dict(), "place": place(a), "url": url} for a, v, url in verdicts]
        output.emit_json({"job_id": job_id.hex(), "valid": valid, "verdicts": documents})
    else:
        for answer, verdict, url in verdicts:
            says = "valid" if verdict.valid else f"not valid ({verdict.reason})"
            output.say(f"proof at {place(answer)}: {says}, says {verdict.validator} at {url}")
    if not valid:
        raise typer.Exit(REFUSED)
