"""Conservation of the supply, from the balances model: what was granted is held, hidden, the protocol's, or on its way.

What is hidden counts by the public amounts that went in and came out; that the ciphertexts hold as much is the audit's.
"""

from dataclasses import asdict, dataclass

from .projection import Projection

#: The columns of `accounts` that hold SAGE.
HOLDINGS = ("balance", "stake", "unstaking", "escrow", "payments_due", "bonds")
TREASURY = ("treasury", "burnt", "stakers")
CHANNELS = ("wages", "rewards", "income", "restitution")


@dataclass(frozen=True, slots=True)
class Supply:
    """Base units. `in_flight`: left one account and not yet in the other, by channel.

    A channel may be below zero for a moment, when the arriving side was read before the leaving one.
    """

    granted: int
    held: int
    hidden: int
    protocol: int
    in_flight: dict[str, int]
    below_zero: list[str]

    @property
    def difference(self) -> int:
        """What is missing (positive) or too much (negative)."""
        return self.granted - self.held - self.hidden - self.protocol - sum(self.in_flight.values())

    @property
    def overdrawn(self) -> list[str]:
        """Channels from which more arrived than left: money out of nothing, once everything that left was read.

        `hidden` is among them when more came out of hidden form than went in.
        """
        channels = self.in_flight | {"hidden": self.hidden}
        return [name for name, amount in channels.items() if amount < 0]

    @property
    def conserved(self) -> bool:
        """Every unit is somewhere, and nobody holds less than nothing.

        A channel may still be `overdrawn`: over the whole log at rest that is a contradiction, too.
        """
        return self.difference == 0 and not self.below_zero

    @property
    def settled(self) -> bool:
        """Conserved, and nothing is on its way."""
        return self.conserved and not any(self.in_flight.values())

    def as_dict(self) -> dict[str, object]:
        """For people and files."""
        verdict = {
            "difference": self.difference,
            "overdrawn": self.overdrawn,
            "conserved": self.conserved,
            "settled": self.settled,
        }
        return asdict(self) | verdict


def supply(balances: Projection) -> Supply:
    """The supply's double entry as the balances model has it at one moment.

    Raises:
        ValueError: it is another model.
    """
    if balances.model.name != "balances":
        raise ValueError("the supply is computed from the balances model")
    accounts, treasury, flows = balances.snapshot("accounts", "treasury", "flows")
    held, below_zero = 0, []
    hidden = sum(int(row["hidden"]) for row in accounts)
    for row in accounts:
        amounts = {name: int(row[name]) for name in HOLDINGS}
        held += sum(amounts.values())
        below_zero += [f"{row['account']}.{name}" for name, amount in amounts.items() if amount < 0]
    protocol = sum(int(row[name]) for row in treasury for name in TREASURY)
    flow = flows[0] if flows else {}
    in_flight = {name: int(flow.get(f"{name}_out", 0)) - int(flow.get(f"{name}_in", 0)) for name in CHANNELS}
    return Supply(int(flow.get("granted", 0)), held, hidden, protocol, in_flight, below_zero)
