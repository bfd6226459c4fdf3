"""Errors of the nodes room.

NodeError
|-- NotConfigured     a setting or key that a process needs is missing
|-- StateDivergence   the log does not continue the state that was folded from it
|-- CommandRefused    the network answered a command with a rejection (code: the event's reason)
|-- PurseError        what somebody wants of a hidden balance cannot be done; nothing was sent
|   |-- InsufficientHidden    the hidden balance does not cover the amount
|   |-- AmountTooLarge        a hidden transfer is below 2^40 micro-SAGE
|   |-- BalanceTooLarge       what would remain is not below 2^48 micro-SAGE, so no proof of it can be made
|   `-- RecipientNotOpen      the recipient has no private account yet
|-- StatementRefused  every validator that was asked over HTTP refused the request itself
|-- ValidatorsUnreachable   none of the validators that were asked gave a usable answer
`-- AnswerTimeout     no answer to a command came in time; the command may still be answered later
"""


class NodeError(Exception):
    """Anything that stops a node or a client's request."""

    code = "node_error"


class NotConfigured(NodeError):
    """A setting or key that a process needs is missing."""

    code = "not_configured"


class StateDivergence(NodeError):
    """The log does not continue the state that was folded from it."""

    code = "state_divergence"


class CommandRefused(NodeError):
    """The network answered a command with a rejection."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PurseError(NodeError):
    """What somebody wants of a hidden balance cannot be done; nothing was sent."""

    code = "purse_error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        # A network's own code for the same mistake.
        self.code = code or type(self).code


class InsufficientHidden(PurseError):
    """The hidden balance does not cover the amount; deposit more, or claim what is pending."""

    code = "insufficient_hidden"


class AmountTooLarge(PurseError):
    """A hidden transfer is below 2^40 micro-SAGE; move less at once."""

    code = "amount_too_large"


class BalanceTooLarge(PurseError):
    """A step moves and leaves less than 2^48 micro-SAGE of a hidden balance: keep it below 2^49 - 1, withdraw a part first."""

    code = "balance_too_large"


class RecipientNotOpen(PurseError):
    """The recipient has no private account yet; it has to open one."""

    code = "recipient_not_open"


class AnswerTimeout(NodeError):
    """No answer to a command came in time; the command may still be answered later."""

    code = "answer_timeout"


class StatementRefused(NodeError):
    """Every validator that was asked over HTTP refused the request itself."""

    code = "statement_refused"


class ValidatorsUnreachable(NodeError):
    """None of the validators that were asked over HTTP gave a usable answer."""

    code = "validators_unreachable"
