"""Starknet contracts: Cairo sources, compiled artifacts, the deploy script and Python bindings that sign with the wallet.

Nothing of it is built in this version, so the room has no names: no settlement runs, and the topic `settlement` stays empty.
"""

__all__: list[str] = []
