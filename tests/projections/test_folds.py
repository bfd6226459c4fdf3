"""Given events, then rows."""

import json

from bitsage.schemas import events as e


def test_balances_after_a_whole_life(kit, fold) -> None:
    S = kit.SAGE
    rows = {row["account"]: row for row in fold("balances", kit.life().records, "select * from accounts")}
    worker = rows[kit.subject(kit.name("worker"))]
    wage = 64 * S // 10
    assert int(worker["balance"]) == 19_000 * S + wage + 400 * S
    assert int(worker["stake"]) == 500 * S
    assert int(worker["unstaking"]) == 100 * S
    assert (worker["payments_due"], worker["hidden"]) == ("0", "0")
    client = rows[kit.subject(kit.name("client"))]
    assert int(client["balance"]) == 20_000 * S - 8 * S
    assert client["escrow"] == "0"
    assert rows[kit.subject(kit.name("cheat"))]["stake"] == str(900 * S)
    assert client["gas"] == str(S)
    treasury = fold("balances", kit.life().records, "select * from treasury")
    fee = 16 * S // 10
    assert [int(treasury[0][part]) for part in ("burnt", "treasury", "stakers")] == [
        # the fee, the slash, the lost bond, less a restitution
        fee * 70 // 100 + 30 * S + 30 * S,
        fee * 20 // 100 + 20 * S + 20 * S - S,
        fee * 10 // 100,
    ]


def test_a_public_payment_moves_from_due_to_hidden_to_the_balance(kit, fold) -> None:
    chain, who, job = kit.Chain(), kit.name("w"), bytes(16)
    binding = {"proof_commitment": bytes(32), "payment_nonce": 1}
    chain.event(who, e.PaymentDue(job_id=job, worker=who, amount=5, payment_key=b"k", **binding))
    sql = "select balance, payments_due, hidden, pending, available, credits, folded from accounts"

    def row() -> tuple:
        [found] = fold("balances", chain.records, sql)
        return tuple(found.values())

    assert row() == ("0", "5", "0", "", "", 0, 0)
    arrived = {"ciphertext": b"c", "pending": b"p", "credit": 1}
    chain.event(who, e.PaymentEncrypted(job_id=job, worker=who, payment=b"c", **arrived, **binding))
    assert row() == ("0", "0", "5", b"p".hex(), "", 1, 0)
    chain.event(who, e.PaymentClaimed(available=b"a", sequence=1, credit=1))
    assert row() == ("0", "0", "5", "", b"a".hex(), 1, 1)
    chain.event(who, e.Withdrawn(amount=5, proof=b"", available=b"", sequence=2))
    assert row() == ("5", "0", "0", "", "", 1, 1)


def test_hidden_balances_are_followed_as_ciphertexts(kit, fold) -> None:
    chain, who, job = kit.Chain(), kit.name("w"), bytes(16)
    other = {"transfer_sequence": 3, "ciphertext": b"c" * 128}
    chain.event(who, e.TokensGranted(amount=100, gas_amount=0))
    chain.event(who, e.PrivateAccountOpened(payment_key=b"key", key_proof=b"proof"))
    chain.event(who, e.Deposited(amount=60, available=b"1", sequence=1))
    sealed = {"transfer": b"t", "ciphertext": b"c" * 192}
    chain.event(who, e.EscrowLocked(job_id=job, amount=0, available=b"2", sequence=2, **sealed))
    chain.event(
        who,
        e.TransferSent(recipient=bytes(32), recipient_key=b"k", available=b"3", sequence=3, **sealed),
    )
    chain.event(who, e.TransferReturned(recipient=bytes(32), pending=b"4", credit=1, **other))
    chain.event(who, e.TransferReceived(sender=bytes(32), pending=b"5", credit=2, **other))
    chain.event(who, e.TransferBounced(sender=bytes(32), transfer_sequence=9))
    refund = {"reason": "cancelled", "ciphertext": b"c" * 128, "pending": b"6", "credit": 3}
    chain.event(who, e.EscrowRefunded(job_id=job, amount=0, **refund))
    chain.event("treasury", e.FeesDistributed(
        job_id=job, attempt=1, payer=who, source="job_fee", amount=0, burnt=0, treasury=0, stakers=0,
        ciphertext=b"c" * 128, sealed_fees=b"s",
    ))  # fmt: skip
    [row] = fold("balances", chain.records, "select * from accounts where account <> ''")
    assert (row["balance"], row["hidden"], row["escrow"]) == ("40", "60", "0")
    assert (bytes.fromhex(row["payment_key"]), row["available"], row["pending"]) == (b"key", b"3".hex(), b"6".hex())
    assert (row["private_sequence"], row["credits"], row["folded"]) == (3, 3, 0)
    assert fold("balances", chain.records, "select sealed_fees from treasury") == [{"sealed_fees": b"s".hex()}]
    # Two fees of nothing may cancel each other out: the sum has no bytes then. A plain fee says nothing of it.
    fee = {"job_id": job, "payer": who, "source": "job_fee", "amount": 0, "burnt": 0, "treasury": 0, "stakers": 0}
    chain.event("treasury", e.FeesDistributed(attempt=2, ciphertext=b"", sealed_fees=b"", **fee))
    assert fold("balances", chain.records, "select sealed_fees from treasury") == [{"sealed_fees": b"s".hex()}]
    chain.event("treasury", e.FeesDistributed(attempt=3, ciphertext=b"c" * 128, sealed_fees=b"", **fee))
    assert fold("balances", chain.records, "select sealed_fees from treasury") == [{"sealed_fees": ""}]
    [escrow] = fold("payments", chain.records, "select * from escrows")
    assert (escrow["locked"], escrow["refunded"], escrow["ciphertext"]) == ("0", "0", (b"c" * 192).hex())


def test_a_slash_beyond_the_stake_takes_from_the_locked_part(kit, fold) -> None:
    chain, who = kit.Chain(), kit.name("w")
    chain.event(who, e.TokensGranted(amount=100, gas_amount=0))
    chain.event(who, e.Staked(amount=100, total=100, tier="consumer"))
    chain.event(who, e.UnstakeRequested(amount=60, unlock_at=9))
    chain.event(who, e.UnstakeRequested(amount=10, unlock_at=10))
    slash = {"reporter_amount": 25, "burnt": 15, "treasury": 10, "reporter": bytes(32), "job_id": bytes(16)}
    chain.event(who, e.Slashed(amount=50, reason="malicious", attempt=1, remaining=0, **slash))
    assert fold("balances", chain.records, "select stake, unstaking from accounts") == [
        {"stake": "0", "unstaking": "50"}
    ]
    row = fold("stakes", chain.records, "select * from stakes")[0]
    assert (row["amount"], row["unstaking"], json.loads(row["unlocks"])) == ("0", "50", [["40", 9], ["10", 10]])


def test_stakes_and_slashes(kit, fold) -> None:
    records = kit.life().records
    rows = {row["account"]: row for row in fold("stakes", records, "select * from stakes")}
    worker = rows[kit.subject(kit.name("worker"))]
    assert (int(worker["amount"]), worker["tier"]) == (500 * kit.SAGE, "consumer")
    assert json.loads(worker["unlocks"]) == [[str(100 * kit.SAGE), 1_800_000_100_000]]
    slashes = fold("stakes", records, "select * from slashes")
    assert [(s["account"], s["reason"], int(s["amount"])) for s in slashes] == [
        (kit.subject(kit.name("cheat")), "invalid_proof", 100 * kit.SAGE)
    ]


def test_workers_and_validators(kit, fold) -> None:
    records = kit.life().records
    rows = {row["worker"]: row for row in fold("workers", records, "select * from workers")}
    worker, cheat = rows[kit.subject(kit.name("worker"))], rows[kit.subject(kit.name("cheat"))]
    assert (worker["registered"], worker["online"], worker["reputation"], worker["level"]) == (1, 1, 515, 2)
    assert (worker["completed"], worker["busy"], worker["market_slots"], worker["slots"]) == (1, 0, 4, 4)
    assert (cheat["registered"], cheat["online"], cheat["absence"], cheat["busy"]) == (0, 0, "no_heartbeat", 1)
    assert cheat["disproved"] == 1
    validators = fold("workers", records, "select * from validators order by validator")
    assert [(v["votes"], v["contrary"]) for v in validators] == [(2, 2), (2, 0), (2, 0), (2, 0)]
    sets = fold("workers", records, "select epoch, validators from validator_sets")
    assert [len(json.loads(s["validators"])) for s in sets] == [1, 2, 3, 4]


def test_levels_begin_at_the_reputations_of_the_specification(kit, fold) -> None:
    expected = {1000: 4, 850: 4, 849: 3, 700: 3, 699: 2, 500: 2, 499: 1, 300: 1, 299: 0, 0: 0}
    for reputation, level in expected.items():
        chain, who = kit.Chain(), kit.name("w")
        moved = {"before": 500, "after": reputation, "reason": "slash", "failures": 0}
        chain.event(who, e.ReputationChanged(job_id=bytes(16), attempt=1, **moved))
        assert fold("workers", chain.records, "select level from workers") == [{"level": level}]


def test_jobs_tell_their_state_at_every_step(kit, fold) -> None:
    records = kit.life().records
    job = kit.name("job")[:16].hex()
    sql = f"select state from jobs where job_id = '{job}'"
    seen = []
    for end in range(len(records) + 1):
        for row in fold("jobs", records[:end], sql):
            if row["state"] not in seen[-1:]:
                seen.append(row["state"])
    assert seen == ["submitted", "queued", "assigned", "running", "proved", "voting", "approved", "paid"]


def test_a_failed_and_a_refused_job(kit, fold) -> None:
    records = kit.life().records
    rows = {row["job_id"]: row for row in fold("jobs", records, "select * from jobs")}
    failed, refused = rows[kit.name("cheated job")[:16].hex()], rows[kit.name("poor")[:16].hex()]
    assert (failed["state"], failed["reason"], failed["attempt"]) == ("failed", "attempts_exhausted", 2)
    assert failed["refunded_at"] is not None
    assert (refused["state"], refused["reason"], refused["details"]) == ("rejected", "insufficient_funds", "not enough")
    assert refused["client"] == kit.subject(kit.name("client"))
    assert failed["correlation"] == failed["job_id"]
    attempts = fold(
        "jobs", records, f"select attempt, outcome, reason from attempts where job_id = '{failed['job_id']}'"
    )
    assert attempts[0] == {"attempt": 1, "outcome": "rejected", "reason": "invalid_proof"}


def test_a_job_is_cancelled_or_its_vote_expires(kit, fold) -> None:
    chain, job, who = kit.Chain(), kit.name("j")[:16], kit.name("w")
    spec = e.JobSpec(job_type="matmul", input="{}", max_cost=1, tier="consumer", tee=True, priority=0, deadline=1)
    chain.event(job.hex(), e.JobSubmitted(job_id=job, client=who, spec=spec))
    chain.event(job.hex(), e.JobAssigned(job_id=job, attempt=1, worker=who, cost=1, expires_at=2))
    result = {"attempt": 1, "worker": who, "proof_hash": bytes(32), "output_hash": bytes(32), "contrary": []}
    votes = {"votes_valid": 0, "votes_invalid": 0, "threshold": 1}
    chain.event(job.hex(), e.ConsensusReached(job_id=job, outcome="expired", **result, **votes))
    assert fold("jobs", chain.records, "select state from jobs") == [{"state": "expired"}]
    chain.event(job.hex(), e.ProofRefused(job_id=job, worker=who, reason="too_large"))
    chain.event(job.hex(), e.JobCancelled(job_id=job, attempt=1, worker=who))
    row = fold("jobs", chain.records, "select state, reason, proofs_refused from jobs")
    assert row == [{"state": "cancelled", "reason": "cancelled", "proofs_refused": 1}]


def test_consensus_counts_votes_per_attempt(kit, fold) -> None:
    records = kit.life().records
    rows = {row["proof_hash"]: row for row in fold("consensus", records, "select * from tallies")}
    good, bad = rows[kit.name("proof").hex()], rows[kit.name("false proof").hex()]
    assert (good["votes_valid"], good["votes_invalid"], good["threshold"], good["outcome"]) == (3, 1, 3, "approved")
    assert (bad["votes_valid"], bad["votes_invalid"], bad["outcome"]) == (1, 3, "rejected")
    assert bad["reporter"] is not None
    assert len(fold("consensus", records, "select * from votes")) == 8
    refused = fold("consensus", records, "select reason from refused_votes")
    assert refused == [{"reason": "duplicate_vote"}] * 2


def test_disputes_their_votes_and_bonds(kit, fold) -> None:
    records = kit.life().records
    rows = fold(
        "consensus", records, "select round, decision, verdict, outcome, votes_valid, votes_invalid from disputes"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "rejected", "expired", "expired", 1, 0),
        (2, "rejected", "rejected", "upheld", 1, 3),
    ]
    assert len(fold("consensus", records, "select * from dispute_votes")) == 5
    (cheat,) = fold(
        "balances", records, f"select balance, bonds from accounts where account = '{kit.subject(kit.name('cheat'))}'"
    )
    # 1,000 staked; two bonds of 100, one of them back; 1 restored
    assert cheat == {"balance": str(18_901 * kit.SAGE), "bonds": "0"}
    loser = min(kit.name(f"validator {i}") for i in range(4))
    rows = fold("workers", records, f"select reputation from validators where validator = '{kit.subject(loser)}'")
    assert rows == [{"reputation": 450}]
    assert fold("workers", records, f"select * from worker_facts where worker = '{kit.subject(loser)}'") == []


def test_the_same_proof_judged_in_two_attempts(kit, fold) -> None:
    chain, job, who = kit.Chain(), kit.name("j")[:16], kit.name("w")
    for attempt in (1, 2):
        fields = {"worker": who, "proof_hash": bytes(32), "output_hash": bytes(32), "epoch": 1, "threshold": 1}
        chain.event(job.hex(), e.TallyOpened(job_id=job, attempt=attempt, validators=[who], expires_at=1, **fields))
        vote = {"attempt": attempt, "proof_hash": bytes(32), "validator": who, "valid": attempt == 2, "reason": ""}
        chain.event(job.hex(), e.VoteCast(job_id=job, **vote))
    rows = fold("consensus", chain.records, "select attempt, votes_valid, votes_invalid from tallies")
    assert [tuple(row.values()) for row in rows] == [(1, 0, 1), (2, 1, 0)]


def test_payments_escrows_and_fees(kit, fold) -> None:
    records = kit.life().records
    [payment] = fold("payments", records, "select * from payments")
    assert (payment["state"], payment["due"], payment["credit"]) == ("claimed", str(64 * kit.SAGE // 10), 1)
    assert payment["claimed_at"] is not None
    assert bytes.fromhex(payment["ciphertext"]) == b"C" * 128
    assert bytes.fromhex(payment["payment"]) == b"ciphertext"
    escrows = {row["job_id"]: row for row in fold("payments", records, "select * from escrows")}
    paid, refunded = escrows[kit.name("job")[:16].hex()], escrows[kit.name("cheated job")[:16].hex()]
    parts = [int(paid[part]) for part in ("worker_amount", "protocol_amount", "refunded")]
    assert sum(parts) == int(paid["locked"])
    assert (refunded["refunded"], refunded["refund_reason"]) == (refunded["locked"], "attempts_exhausted")
    fees = fold("payments", records, "select source, amount from fees")
    assert [row["source"] for row in fees] == ["job_fee", "invalid_proof", "dispute_lost"]


def test_amounts_beyond_64_bits_stay_exact(kit, fold) -> None:
    chain, who, huge = kit.Chain(), kit.name("w"), 10**38 - 1
    chain.event(who, e.TokensGranted(amount=huge, gas_amount=huge))
    assert fold("balances", chain.records, "select balance, typeof(balance) as t from accounts") == [
        {"balance": str(huge), "t": "text"}
    ]
