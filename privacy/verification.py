"""Checking at once or together with many others.

    batch = Batch()
    for each event: verify_transfer(..., batch=batch)     what is malformed is refused at once
    batch.holds()                                          False: one of the proofs since the last call is false

With a batch, a verifying function returns its result before the proof is checked: nothing may be done with it until
`holds` has said True. Whoever wants to know which proof was false checks them one at a time.
"""

from .equations import Engine, Equation, holds


class Batch:
    """Equations of many proofs, checked as one; `engine` may be a device's multi-scalar multiplication."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        self._equations: list[Equation] = []

    def __len__(self) -> int:
        return len(self._equations)

    def add(self, equations: list[Equation]) -> None:
        """Equations that `holds` will check."""
        self._equations += equations

    def holds(self) -> bool:
        """Whether everything added since the last call holds."""
        equations, self._equations = self._equations, []
        return holds(equations, self._engine)


def settle(equations: list[Equation] | None, batch: Batch | None) -> bool:
    """Check now, or leave it to the batch; what is refused at sight is refused now."""
    if equations is None:
        return False
    if batch is None:
        return holds(equations)
    batch.add(equations)
    return True
