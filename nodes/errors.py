"""Errors of the nodes room.

NodeError
|-- NotConfigured     a setting or key that a process needs is missing
|-- StateDivergence   the log does not continue the state that was folded from it
|-- CommandRefused    the network answered a command with a rejection (code: the event's reason)
|-- PurseError        what somebody wants of a hidden balance cannot be done; nothing was sent
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

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnswerTimeout(NodeError):
    """No answer to a command came in time; the command may still be answered later."""

    code = "answer_timeout"
