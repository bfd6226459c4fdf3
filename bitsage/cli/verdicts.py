"""`sage-coordinator verify-proof --via`: a job's proofs, judged by validators over HTTP."""

from collections.abc import Sequence

import typer

from bitsage.errors import InputError
from bitsage.nodes.validator_client import ValidatorClient
from bitsage.nodes.verdicts import statement_of
from bitsage.processors.model import job_subject
from bitsage.schemas.events import JobSubmitted, ProofGenerated
from bitsage.wallet import format_address, parse_address

from . import logs, output
from .context import config, onlooker
from .events import place
from .failures import REFUSED


def verify_elsewhere(job_id: bytes, via: str, trust: Sequence[str], as_json: bool) -> None:
    """Print the verdicts on a job's proofs.

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
        answers = client.history(("jobs", "proofs"), job_subject(job_id))
        chain_id = client.network.chain_id
    submitted = next((a.body for a in answers if isinstance(a.body, JobSubmitted)), None)
    if submitted is None:
        raise InputError("unknown_job", f"there is no job {job_id.hex()} in the log")
    asked = ValidatorClient(urls, chain_id, validators=trusted)
    verdicts = []
    try:
        for answer in answers:
            if isinstance(answer.body, ProofGenerated):
                statement = statement_of(submitted.spec.job_type, submitted.spec.input, answer.body)
                verdict, url = asked.validate(statement, answer.body.proof)
                verdicts.append((answer, verdict, url))
    finally:
        asked.close()
    if not verdicts:
        raise InputError("no_proof", f"job {job_id.hex()} has no proof yet")
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
