"""Rule of the audit: an event stands under the subject that it is about.

A payment that names one account and stands under another pays the other one; what names a job and stands under another job
would be the cause of something that its own job never saw. Needs no command, so it holds for all of history.
"""

from bitsage.processors.model import NETWORK, TREASURY, account_subject, job_subject
from bitsage.schemas.events import EVENT_TOPIC, VoteRejected
from bitsage.schemas.types import EventBody, Rejection

#: Events of one account that name it, and the field that does.
_ACCOUNT = {
    **dict.fromkeys(("PaymentDue", "PaymentEncrypted", "WorkerRegistered", "WorkerWentOffline"), "worker"),
    **dict.fromkeys(("WorkerReturned", "WorkerDeparted", "RateMeasured", "BenchmarkDoubted"), "worker"),
    **dict.fromkeys(("ValidatorRegistered", "ValidatorDeparted"), "validator"),
}
#: Events of the one market and the one treasury.
_SINGLE = {
    **dict.fromkeys(("CapacityChanged", "ValidatorSetChanged", "JobQueued", "JobMatched", "JobWithdrawn"), NETWORK),
    **dict.fromkeys(("PriceRaised", "TallyRequested", "RetrialRequested"), NETWORK),
    **dict.fromkeys(("FeesDistributed", "RestitutionPaid"), TREASURY),
}
_OF_JOBS = frozenset({"jobs", "proofs", "votes"})


def elsewhere(subject: str, body: EventBody) -> str | None:
    """What is wrong with the event's place; None when it is its own subject's, or its kind may stand under any."""
    name = type(body).__name__
    if name in _ACCOUNT:
        own = account_subject(getattr(body, _ACCOUNT[name])) == subject
        return None if own else f"{name} names another account than its own"
    if name in _SINGLE:
        return None if subject == _SINGLE[name] else f"{name} stands under another subject than {_SINGLE[name]}"
    job_id = getattr(body, "job_id", None)
    if EVENT_TOPIC.get(name) not in _OF_JOBS or not isinstance(job_id, bytes):
        return None
    # Of the refusals only a contradictory vote is the cause of anything.
    if isinstance(body, Rejection) and not (isinstance(body, VoteRejected) and body.reason == "equivocation"):
        return None
    return None if job_subject(job_id) == subject else f"{name} names another job than its own"
