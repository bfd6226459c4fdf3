"""The ten scenarios, as calls of the Python API beside the command that a person would type."""

import sys
import time
from typing import Any

from cast import HERE, Cast
from rich.console import Console

import bitsage
from bitsage.nodes.jobwork import job_input
from bitsage.obelysk.inference import default_model
from bitsage.schemas import events as e


class Scenes:
    """Plays them in order."""

    def __init__(self, cast: Cast, console: Console, job_type: str, size: int) -> None:
        self.cast = cast
        self.console = console
        self.job_type = job_type
        self.size = size

    def play(self) -> None:
        """All ten."""
        worker = self.cast.client("worker")
        self._scene(1, "sage-worker create-wallet")
        worker.create_wallet()
        self._scene(2, "sage-worker request-tokens")
        worker.request_tokens()
        self._scene(3, "sage-worker stake --amount 1000 --gpu-tier T4")
        worker.stake(1_000 * bitsage.SAGE, "consumer")
        self._scene(4, "sage-worker register")
        bitsage.register_worker(worker, tier="consumer", gpu_model="T4")
        self.cast.start("worker", "sage-worker", "start", "--name", "worker")
        client = self.cast.audience
        client.create_wallet()
        client.request_tokens()
        words = {"matmul": f"--size {self.size}", "vm": "--input job.json", "inference": "--images digits:0-15"}
        self._scene(5, f"sage-coordinator submit-job --type {self.job_type} {words[self.job_type]}")
        job_id = self._submit(seed=1)
        self._scene(6, "the worker runs the job and proves the result with a STARK")
        self.cast.wait("proving", lambda b: isinstance(b, e.ProofGenerated) and b.job_id == job_id)
        self._scene(7, "the validators verify the proof and vote; the liar says no")
        self.cast.wait("voting", lambda b: isinstance(b, e.ConsensusReached) and b.job_id == job_id)
        self._scene(8, "the coordinator pays, encrypted under the worker's key")
        self.cast.wait("paying", lambda b: isinstance(b, e.PaymentEncrypted) and b.job_id == job_id)
        self._scene(9, "sage-worker claim --keep-private; sage-worker balance")
        purse = bitsage.Purse(worker)
        for _, amount in purse.claim()[0]:
            self.console.print(
                f"  the worker opened the ciphertext: {bitsage.in_sage(amount)} SAGE; the log does not say so"
            )
        self.console.print(f"  its hidden balance: {bitsage.in_sage(purse.holdings().available)} SAGE")
        self._cheat()
        worker.close()

    def _cheat(self) -> None:
        self._scene(10, "a cheat registers, gets a job while the honest worker is busy, and hands in an invalid proof")
        cheat = self.cast.client("cheat")
        cheat.create_wallet()
        cheat.request_tokens()
        cheat.stake(1_000 * bitsage.SAGE, "consumer")
        bitsage.register_worker(cheat, tier="consumer", gpu_model="T4")
        self.cast.start("cheat", sys.executable, str(HERE / "cheating_worker.py"), "cheat", "flip")
        # The honest worker has the better reputation and one slot: it gets the first job, the cheat the second.
        jobs = self._two_at_once()
        self.cast.wait("slashing", lambda b: isinstance(b, e.Slashed) and b.reason == "invalid_proof")
        self.console.print(
            "  the stake is below the minimum now: the cheat is out, and its job goes to the honest worker"
        )
        for job in jobs:
            self.cast.wait("the jobs", lambda b, job=job: isinstance(b, e.JobCompleted) and b.job_id == job)  # type: ignore[misc]
        self.cast.wait("paying", lambda b: isinstance(b, e.PaymentEncrypted) and b.job_id == jobs[1])
        cheat.close()

    def _two_at_once(self) -> list[bytes]:
        """Jobs of two clients, made beforehand and sent together: a proof about an amount takes as long as a small job."""
        other = self.cast.client("client-2")
        other.create_wallet()
        other.request_tokens()
        ready = []
        for client, seed in ((self.cast.audience, 2), (other, 3)):
            purse = bitsage.Purse(client)
            purse.cover(100 * bitsage.SAGE)
            ready.append((client, *purse.prepare_job(self._spec(seed), price=100 * bitsage.SAGE)))
        for client, _, prepared in ready:
            client.send_prepared(prepared)
        other.close()
        return [job_id for _, job_id, _ in ready]

    def _submit(self, seed: int) -> bytes:
        """A job with a sealed offer: what it pays stands nowhere in the log."""
        purse = bitsage.Purse(self.cast.audience)
        purse.cover(100 * bitsage.SAGE)
        return purse.submit_job(self._spec(seed), price=100 * bitsage.SAGE)[0]

    def _request(self, seed: int) -> dict[str, Any]:
        if self.job_type == "vm":
            program = (HERE.parent / "vm" / "collatz.asm").read_text(encoding="utf-8")
            return {"assembly": program, "inputs": (26 + seed).to_bytes(4, "little")}
        if self.job_type == "inference":
            return {"model": default_model().hash.hex(), "digits": f"{16 * seed}-{16 * seed + 15}"}
        return {"size": self.size, "seed": seed}

    def _spec(self, seed: int) -> bitsage.JobSpec:
        return bitsage.JobSpec(
            job_type=self.job_type,
            input=job_input(self._request(seed)),
            max_cost=0,
            tier="",
            tee=False,
            priority=0,
            deadline=time.time_ns() // 1_000_000 + 3_600_000,
        )

    def _scene(self, number: int, text: str) -> None:
        # Events of the scene before may still be on their way to the screen.
        time.sleep(0.3)
        prompt = "$ " if text.startswith("sage") else ""
        self.console.print(f"\n[bold]{number:>2}  {prompt}{text}[/bold]")
