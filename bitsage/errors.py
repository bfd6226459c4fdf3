"""Errors of the public face.

BitsageError
|-- ConfigError     the configuration cannot be used
`-- InputError      an argument, file or password that a command was given cannot be used

All of them are one sentence for a person and a stable code of `CODES` for programs; commands leave with exit code 2.
"""

#: Every code of this room, with its meaning in one sentence.
CODES: dict[str, str] = {
    "config_missing": "the configuration file that was named does not exist; name another or create it",
    "config_unreadable": "the configuration file cannot be read; check its rights and that it is UTF-8 text",
    "config_malformed": "the configuration file is not valid TOML; the sentence names the line",
    "unknown_key": "the configuration sets a key that does not exist; `sage config show` lists the keys",
    "bad_value": "a value of the configuration is not of its kind or out of range; docs/configuration.md says what fits",
    "bad_argument": "the command line has a missing, unknown or contradictory argument; see --help",
    "bad_amount": "an amount of SAGE is a plain, non-negative number with at most 18 decimals, such as 1000 or 0.5",
    "input_too_large": "the input of the job is larger than what this network takes; send a smaller one",
    "bad_deadline": "a deadline is a duration (30m, 2h, 3d) or an ISO 8601 time",
    "unknown_tier": "there is no such GPU tier or model; name one of the table",
    "no_password": "no password was given and there is no terminal to ask on; set SAGE_PASSWORD or give --password-file",
    "empty_password": "the password is empty; choose one",
    "password_file": "the password file cannot be read",
    "mnemonic_file": "the file of the words cannot be read",
    "file_error": "a file or folder cannot be read or written; the sentence names it",
    "not_registered": "the account is not registered in this role; register it first",
    "already_running": "a process of that name already runs with this home; stop it first",
    "bad_instance": "an instance of a coordinator is a number or a short name; each process has its own",
    "not_the_coordinator": "the wallet is not that of the network's coordinator; name the coordinator's wallet",
    "nothing_available": "the hidden balance has nothing to withdraw; claim what is pending, or deposit",
    "unknown_job": "the log has no such job; check the job id",
    "no_proof": "the job has no proof yet; wait for it",
    "unknown_decision": "no proof of the job has been approved or rejected, so there is nothing to dispute",
    "unknown_dispute": "no decision on the job has been disputed; check the job id",
    "evidence_file": "the file is no evidence that sage audit evidence --export wrote, or of another network",
}


class BitsageError(Exception):
    """Anything wrong with what a person gave; `code` is one of CODES."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConfigError(BitsageError):
    """The configuration cannot be used."""


class InputError(BitsageError):
    """An argument, file or password that a command was given cannot be used."""
