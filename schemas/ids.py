"""Ids that several rooms must compute alike."""

import hashlib


def job_id(client: bytes, command_id: bytes) -> bytes:
    """A job's id (16 bytes), fixed by its SubmitJob command: nobody else can take it, and asking twice is one job."""
    return hashlib.sha256(b"bitsage job" + client + command_id).digest()[:16]
