"""A test's stand-in for a cheat: a worker whose proofs have one byte changed. Everything else is the real worker.

python cheating_worker.py NAME
"""

import dataclasses
import sys

import blake3

from bitsage.cli.context import run_node
from bitsage.nodes.jobwork import Progress, ProofWork, pack, prove_attempt, unpack
from bitsage.nodes.openjobs import OpenJob
from bitsage.nodes.worker import WorkerNode


def spoiled(job: OpenJob, worker: bytes, progress: Progress | None) -> ProofWork:
    work = prove_attempt(job, worker, progress, device=None)
    raw = bytearray(unpack(work.proof, 4 << 20))
    raw[len(raw) // 2] ^= 1
    return dataclasses.replace(work, proof=pack(bytes(raw)), proof_hash=blake3.blake3(bytes(raw)).digest())


if __name__ == "__main__":
    run_node(sys.argv[1], lambda client, folder: WorkerNode(client, folder, produce=spoiled))
