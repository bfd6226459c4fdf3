"""The tables of the jobs model, and the view that joins them into the life of a job (domain specification, section 6).

Four topics tell a job's life, and they may be read in any order: every column has one topic, and the state is
computed when it is asked for.
"""

from .schema import Column, Kind, Merge, Table, Value


def _column(source: str, name: str, kind: Kind, doc: str, default: Value = None) -> Column:
    return Column(name, kind, source, doc, default)


_JOB = _column("jobs", "job_id", Kind.TEXT, "32 hex digits", "")

FACTS = Table(
    "job_facts",
    "One row per admitted job.",
    (_JOB,),
    (
        _column("jobs", "client", Kind.TEXT, "JobSubmitted"),
        _column("jobs", "correlation", Kind.TEXT, "one id for all that happens to the job, hex; JobSubmitted"),
        _column("jobs", "job_type", Kind.TEXT, "JobSubmitted"),
        _column("jobs", "input", Kind.JSON, "JobSubmitted"),
        _column("jobs", "max_cost", Kind.AMOUNT, "JobSubmitted; 0 of a sealed offer"),
        _column("jobs", "price", Kind.TEXT, "a sealed price's unit for the escrow's key, hex; JobSubmitted"),
        _column("jobs", "tier", Kind.TEXT, "JobSubmitted"),
        _column("jobs", "tee", Kind.FLAG, "JobSubmitted"),
        _column("jobs", "priority", Kind.INTEGER, "JobSubmitted"),
        _column("jobs", "deadline", Kind.TIME, "JobSubmitted"),
        _column("jobs", "submitted_at", Kind.TIME, "JobSubmitted"),
        _column(
            "jobs", "phase", Kind.TEXT, "waiting, assigned, running, completed, failed or cancelled; the jobs topic", ""
        ),
        _column("jobs", "attempt", Kind.INTEGER, "from 1; JobAssigned, JobReassigned", 1),
        _column("jobs", "worker", Kind.TEXT, "who holds or did it; JobAssigned, JobReassigned"),
        _column("jobs", "reason", Kind.TEXT, "of the last reassignment, failure or cancellation"),
        _column("jobs", "output_hash", Kind.TEXT, "hex; JobCompleted"),
        _column("jobs", "proof_hash", Kind.TEXT, "hex; JobCompleted"),
        _column("jobs", "ended_at", Kind.TIME, "JobCompleted, JobFailed, JobCancelled"),
        Column("proofs_refused", Kind.INTEGER, "proofs", "proofs that were not admitted; ProofRefused", 0, Merge.SUM),
    ),
)
ATTEMPTS = Table(
    "attempts",
    "One row per job and attempt.",
    (_JOB, _column("jobs", "attempt", Kind.INTEGER, "from 1", 0)),
    (
        _column("jobs", "worker", Kind.TEXT, "JobAssigned"),
        _column("jobs", "cost", Kind.AMOUNT, "JobAssigned"),
        _column("jobs", "assigned_at", Kind.TIME, "JobAssigned"),
        _column("jobs", "expires_at", Kind.TIME, "JobAssigned"),
        _column("jobs", "started_at", Kind.TIME, "JobStarted"),
        _column("jobs", "ended_at", Kind.TIME, "JobReassigned, JobCompleted, JobFailed, JobCancelled"),
        _column("jobs", "reason", Kind.TEXT, "why it ended without success"),
        _column("workers", "queued_at", Kind.TIME, "JobQueued of the market"),
        _column("workers", "matched_at", Kind.TIME, "JobMatched of the market"),
        _column("proofs", "proved_at", Kind.TIME, "ProofGenerated"),
        _column("proofs", "proof_hash", Kind.TEXT, "hex; ProofGenerated"),
        _column("proofs", "output_hash", Kind.TEXT, "hex; ProofGenerated"),
        _column("proofs", "proof_system", Kind.TEXT, "ProofGenerated"),
        _column("proofs", "security_bits", Kind.INTEGER, "ProofGenerated"),
        _column("proofs", "backend", Kind.TEXT, "ProofGenerated"),
        _column("proofs", "proof_bytes", Kind.INTEGER, "compressed; ProofGenerated"),
        _column("proofs", "run_ms", Kind.INTEGER, "ProofGenerated"),
        _column("proofs", "prove_ms", Kind.INTEGER, "ProofGenerated"),
        _column("votes", "voting_at", Kind.TIME, "TallyOpened"),
        _column("votes", "decided_at", Kind.TIME, "ConsensusReached"),
        _column("votes", "outcome", Kind.TEXT, "approved, rejected or expired; ConsensusReached"),
    ),
)
MONEY = Table(
    "job_money",
    "One row per job and account: the client's and the worker's side.",
    (_JOB, _column("accounts", "account", Kind.TEXT, "client or worker", "")),
    (
        _column("accounts", "locked_at", Kind.TIME, "EscrowLocked"),
        _column("accounts", "rejected_at", Kind.TIME, "JobRejected"),
        _column("accounts", "rejection", Kind.TEXT, "a reason code; JobRejected"),
        _column("accounts", "details", Kind.TEXT, "one sentence; JobRejected"),
        _column("accounts", "released_at", Kind.TIME, "EscrowReleased"),
        _column("accounts", "refunded_at", Kind.TIME, "EscrowRefunded"),
        _column("accounts", "due_at", Kind.TIME, "PaymentDue"),
        _column("accounts", "paid_at", Kind.TIME, "PaymentEncrypted"),
    ),
)

#: submitted -> queued -> assigned -> running -> proved -> voting -> approved -> paid, and the ways out of it.
_STATE = """case
  when f.phase is null and m.rejected_at is not null then 'rejected'
  when f.phase in ('failed', 'cancelled') then f.phase
  when f.phase = 'completed' then case when m.paid_at is not null then 'paid' else 'approved' end
  when f.phase in ('assigned', 'running') then case
    when a.outcome = 'rejected' then 'disproved'
    when a.outcome is not null then a.outcome
    when a.voting_at is not null then 'voting'
    when a.proved_at is not null then 'proved'
    else f.phase end
  when f.phase = 'waiting' and (f.attempt > 1 or a.queued_at is not null) then 'queued'
  else 'submitted' end"""

VIEW = f"""
select j.job_id, {_STATE} as state,
  coalesce(f.client, m.client) as client, f.job_type, f.attempt, f.worker,
  case when f.phase is null then m.rejection else f.reason end as reason, m.details,
  f.submitted_at, a.queued_at, a.assigned_at, a.started_at, a.proved_at, a.voting_at, a.decided_at, f.ended_at,
  m.rejected_at, m.paid_at, m.refunded_at,
  a.outcome, coalesce(f.output_hash, a.output_hash) as output_hash, coalesce(f.proof_hash, a.proof_hash) as proof_hash,
  f.max_cost, f.price, a.cost, f.tier, f.tee, f.priority, f.deadline, f.proofs_refused, f.correlation, f.input
from (select job_id from job_facts where phase <> '' union select job_id from job_money) j
left join (select * from job_facts where phase <> '') f on f.job_id = j.job_id
left join attempts a on a.job_id = j.job_id and a.attempt = f.attempt
left join (
  select job_id, max(case when locked_at is not null or rejected_at is not null then account end) as client,
    max(rejected_at) as rejected_at, max(rejection) as rejection, max(details) as details, max(paid_at) as paid_at,
    max(refunded_at) as refunded_at
  from job_money group by job_id
) m on m.job_id = j.job_id
"""
