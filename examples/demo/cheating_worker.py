"""A worker that hands in an invalid proof: the demo's cheat. Not part of the product.

It proves honestly and then changes one byte (`flip`), or hands in nothing (`empty`), a proof of another job's statement
(`foreign`), or a proof of a product with one wrong entry (`wrong`).
"""

import dataclasses
import sys

import blake3
from standin import run_node

from bitsage.nodes.jobwork import Progress, ProofWork, pack, prove_attempt, unpack
from bitsage.nodes.openjobs import OpenJob
from bitsage.nodes.worker import WorkerNode


def cheat(kind: str, job: OpenJob, worker: bytes, progress: Progress | None) -> ProofWork:
    if kind == "foreign":
        other = dataclasses.replace(job, job_id=blake3.blake3(job.job_id).digest()[:16])
        return prove_attempt(other, worker, progress, device=None)
    work = prove_attempt(job, worker, progress, device=None)
    if kind == "empty":
        return dataclasses.replace(work, proof=b"", proof_hash=blake3.blake3(b"").digest())
    if kind == "wrong":
        return dataclasses.replace(work, output_hash=blake3.blake3(b"another product").digest())
    raw = bytearray(unpack(work.proof, 4 << 20))
    raw[len(raw) // 2] ^= 1
    return dataclasses.replace(work, proof=pack(bytes(raw)), proof_hash=blake3.blake3(bytes(raw)).digest())


if __name__ == "__main__":
    kind = sys.argv[2] if len(sys.argv) > 2 else "flip"
    run_node(
        sys.argv[1],
        lambda client, folder: WorkerNode(client, folder, produce=lambda j, w, p: cheat(kind, j, w, p)),
    )
