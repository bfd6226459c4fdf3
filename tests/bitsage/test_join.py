"""`sage-worker join` and offers on the command line: what they say, and what they refuse."""

import pytest
from testnetwork import TestNetwork

from bitsage.cli.bidding import bidding_policy, read_prices
from bitsage.errors import InputError
from bitsage.schemas.parameters import SAGE


def test_one_command_joins_and_the_second_time_does_nothing_again(sh, home, network: TestNetwork) -> None:
    first = sh("sage-worker join --gpu-tier T4 --no-start --no-words --min-price 0.001,vm=0.002 --slots 2").stdout
    order = [
        "wallet:",
        "balance: 0 SAGE",
        "announce:",
        "faucet:",
        "stake:",
        "attestation: none",
        "register:",
        "reputation: 500",
    ]
    places = [first.index(word) for word in order]
    assert places == sorted(places)
    assert "no quote is attached, and this version verifies none" in first
    status = sh("sage-worker status --json").json
    assert status["verify_stake"]["answer"] == "valid"
    assert (status["registered"], status["slots"]) == (True, 2)
    again = sh("sage-worker join --no-start --min-price 0.001,vm=0.002 --slots 2").stdout
    assert "register: it was registered as wanted" in again
    assert "WorkerRegistered" not in again
    assert "Staked" not in again
    assert "WorkerRegistered" in sh("sage-worker join --no-start --slots 1").stdout


def test_status_tells_the_three_answers_of_verify_stake(sh, network: TestNetwork) -> None:
    sh("sage-worker create-wallet --no-words")
    sh("sage-worker request-tokens")
    assert "insufficient: 0 SAGE of 1000 SAGE" in sh("sage-worker status").stdout
    sh("sage-worker join --no-start --gpu-tier T4")
    assert "none of it can leave before" in sh("sage-worker status").stdout
    sh("sage-worker unstake --amount 1")
    unlocked = sh("sage-worker status --json").json
    assert unlocked["verify_stake"] == {"answer": "unlocked"}
    assert unlocked["registered"] is False
    assert "unlocked: too much" in sh("sage-worker status").stdout


def test_a_stake_that_the_faucet_does_not_cover(sh, network: TestNetwork) -> None:
    ran = sh("sage-worker join --no-start --no-words --gpu-tier MI300X", code=1)
    assert "[insufficient_balance]" in ran.stderr


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--min-cost 1", "bad_argument"),
        ("--ramp 1m", "bad_argument"),
        ("--ramp-after 1m", "bad_argument"),
        ("--min-cost 0 --ramp 1m", "bad_amount"),
        ("--min-cost 11 --ramp 1m", "bad_argument"),
        ("--min-cost 1 --ramp soon", "bad_argument"),
        ("--lock-timeout 0s", "bad_argument"),
        ("--collateral -1", "bad_amount"),
    ],
)
def test_an_offer_that_is_no_offer(sh, network: TestNetwork, flags: str, code: str) -> None:
    ran = sh(f"sage-coordinator submit-job --type matmul --size 16 --json {flags}", code=2)
    assert ran.json["error"]["code"] == code


def test_an_offer_that_the_network_refuses(sh, network: TestNetwork) -> None:
    submit = "sage-coordinator submit-job --type matmul --size 16 --no-words --json"
    for flags, code in (
        ("--min-cost 1 --ramp 2h", "ramp_too_long"),
        ("--lock-timeout 1s", "lock_timeout_out_of_range"),
        ("--open --collateral 11", "collateral_too_large"),
    ):
        assert sh(f"{submit} {flags}", code=1).json["error"]["code"] == code
    assert sh(f"{submit} --min-cost 1 --ramp 10m --ramp-after 1m --lock-timeout 10s --collateral 5").json["job_id"]


def test_prices_per_row_as_they_are_typed() -> None:
    assert read_prices("0.5") == (SAGE // 2, {})
    assert read_prices("0.5,vm=2, matmul=1") == (SAGE // 2, {"vm": 2 * SAGE, "matmul": SAGE})
    for text in ("", "x", "vm=", "=1", "vm=1,vm=2", "-1"):
        with pytest.raises(InputError):
            read_prices(text)


def test_a_policy_is_read_from_the_configuration(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bitsage.toml").write_text(
        '[worker]\nmin_price = "vm=2"\njob_types = ["vm"]\nleast_tier = "A100"\nslots = 3\nmax_collateral = "7"\n'
    )
    policy = bidding_policy(slots=4)
    assert (policy.ask_for("vm"), policy.ask_for("matmul")) == (2 * SAGE, 0)
    assert (policy.job_types, policy.least_tier, policy.slots, policy.max_collateral) == (
        ("vm",),
        "data_center",
        4,
        7 * SAGE,
    )
    with pytest.raises(InputError):
        bidding_policy(clients=["nobody"])
