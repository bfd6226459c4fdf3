"""What an AIR's transcript leaves open (Fiat-Shamir order, spec stark.md section 19.2).

A challenge must depend on everything that the prover could otherwise still choose: the configuration, the sizes,
the public values, the committed columns, and, before the interaction tree counts, the claimed sums.  The format
lets an AIR leave any of these out, and two of the published example AIRs do.  `transcript_gaps` names what is
missing; the AIRs of job types have no gaps (a test).
"""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Air, ClaimedSumOf, LogSizeOf, PublicValue, Step

_DRAWS = ("draw_relation", "draw_felt", "draw_felts")


def transcript_gaps(air: Air) -> tuple[str, ...]:
    """Sentences, one for each thing that a prover could choose after it has seen a challenge.

    Empty for an AIR whose transcript binds everything.  The coefficient that combines the constraints is drawn
    after all steps, so that an AIR without draws of its own must bind its public values in any of them.
    """
    steps = air.transcript
    first_draw = next((k for k, step in enumerate(steps) if step.op in _DRAWS), len(steps))
    before = steps[:first_draw]
    return (
        *_unbound_settings(air, before),
        *_unbound_publics(air, before),
        *_early_draws(steps, first_draw),
        *_unbound_sums(air),
    )


def _unbound_settings(air: Air, before: tuple[Step, ...]) -> Iterator[str]:
    if not any(step.op == "mix_config" for step in before):
        yield "the configuration is not absorbed before the first challenge"
    sizes = {v.component for step in before for v in step.values if isinstance(v, LogSizeOf)}
    # A pinned preprocessed root has a length of its own: a component that reads its columns has that size.
    pinned = any(step.op == "commit" and step.tree == 0 for step in before)
    for k, component in enumerate(air.components):
        if k not in sizes and not (pinned and component.preprocessed):
            yield f"the size of component {component.name!r} is not absorbed before the first challenge"


def _unbound_publics(air: Air, before: tuple[Step, ...]) -> Iterator[str]:
    absorbed = {(v.name, v.index) for step in before for v in step.values if isinstance(v, PublicValue)}
    lists = [component.nodes for component in air.components] + [check.nodes for check in air.checks]
    read = {(node[1], node[2] if len(node) > 2 else None) for nodes in lists for node in nodes if node[0] == "pub"}
    read |= {(v.name, v.index) for step in air.transcript for v in step.values if isinstance(v, PublicValue)}
    for name, index in sorted(read - absorbed, key=str):
        place = name if index is None else f"{name}[{index}]"
        yield f"the public value {place!r} is not absorbed before the first challenge"


def _early_draws(steps: tuple[Step, ...], first_draw: int) -> Iterator[str]:
    trace = next((k for k, step in enumerate(steps) if step.op == "commit" and step.tree == 1), len(steps))
    if first_draw < trace:
        yield "a challenge is drawn before the trace is committed"
    interaction = next((k for k, step in enumerate(steps) if step.op == "commit" and step.tree == 2), len(steps))
    if any(step.op in _DRAWS for step in steps[interaction:]):
        yield "a challenge is drawn after the interaction columns are committed, which cannot use it"


def _unbound_sums(air: Air) -> Iterator[str]:
    checked = {node[1] for check in air.checks for node in check.nodes if node[0] == "claimed"}
    mixed: set[int] = set()
    for step in air.transcript:
        if step.op == "commit" and step.tree == 2:
            break
        if step.op == "mix_claimed_sums":
            mixed = set(range(len(air.components)))
        mixed |= {v.component for v in step.values if isinstance(v, ClaimedSumOf)}
    for k, component in enumerate(air.components):
        if component.logup and k not in mixed:
            yield f"the claimed sum of component {component.name!r} is not absorbed before the interaction tree"
        if component.logup and k not in checked:
            yield f"no check reads the claimed sum of component {component.name!r}: its lookups prove nothing"
        if not component.logup and k in checked:
            yield f"a check reads the claimed sum of component {component.name!r}, which has no lookups to fix it"
