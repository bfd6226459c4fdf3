"""`sage-worker status`: the worker as the network sees it."""

from typing import Any

from bitsage.amounts import in_sage
from bitsage.wallet import parse_address

from . import output
from .context import onlooker, wallet_name
from .moments import moment
from .options import AsJson, Name


def status(name: Name = None, as_json: AsJson = False) -> None:
    """Show the worker as the network sees it: registration, presence, reputation, stake, open jobs."""
    from .models import account_of, one_row, rows_of

    account = account_of(wallet_name(name, "worker"))
    worker = one_row("workers", "worker", account) or {}
    stakes = one_row("stakes", "account", account) or {}
    open_jobs = [
        job
        for job in rows_of("jobs", {"worker": account}, limit=10_000)
        if job["state"] not in ("paid", "approved", "failed", "cancelled", "rejected")
    ]
    verdict = _verdict(account, str(worker.get("tier") or stakes.get("tier") or ""))
    filed = rows_of("consensus", {"disputer": account}, table="disputes", limit=10_000)
    document = {
        "account": account,
        "registered": bool(worker.get("registered")),
        "online": bool(worker.get("online")),
        **{
            k: worker.get(k)
            for k in ("tier", "gpu_model", "reputation", "level", "slots", "busy", "completed", "absence")
        },
        "stake": str(stakes.get("amount") or "0"),
        "slashed": str(stakes.get("slashed") or "0"),
        "verify_stake": verdict,
        "jobs": [{"job_id": job["job_id"], "state": job["state"]} for job in open_jobs],
        "disputes": [
            {"job_id": d["job_id"], "attempt": d["attempt"], "outcome": d["outcome"] or "open"} for d in filed
        ],
    }
    if as_json:
        output.emit_json(document)
        return
    amounts = {k: f"{in_sage(int(str(document[k])))} SAGE" for k in ("stake", "slashed")}
    amounts["verify_stake"] = _verdict_line(verdict)
    jobs = ", ".join(f"{job['job_id']} ({job['state']})" for job in open_jobs) or "none"
    disputes = ", ".join(f"{d['job_id']} ({d['outcome'] or 'open'})" for d in filed) or "none"
    output.facts(document | amounts | {"jobs": jobs, "disputes": disputes})


def _verdict(account: str, tier: str) -> dict[str, Any]:
    """`verify_stake` of the account for a tier (the lowest where it has none), amounts in base units."""
    from dataclasses import asdict

    from bitsage.nodes.joining import stake_verdict, standing
    from bitsage.schemas.parameters import TIERS

    with onlooker() as client:
        verdict = stake_verdict(client, standing(client, parse_address(account)), tier if tier in TIERS else TIERS[0])
    found = {k: str(v) if k in ("amount", "current", "required") else v for k, v in asdict(verdict).items()}
    return {"answer": type(verdict).__name__.lower(), **found}


def _verdict_line(verdict: dict[str, Any]) -> str:
    match verdict["answer"]:
        case "valid":
            until = moment(verdict["until"])
            return f"valid: {in_sage(int(verdict['amount']))} SAGE, none of it can leave before {until}"
        case "unlocked":
            return "unlocked: too much of the stake is being taken out to count; no jobs come"
        case _:
            held, needed = in_sage(int(verdict["current"])), in_sage(int(verdict["required"]))
            return f"insufficient: {held} SAGE of {needed} SAGE; no jobs come"
