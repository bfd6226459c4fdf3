"""A job type in one file: (x, y) -> (y, x^2 + y^2) over M31, repeated; the proof shows the last y.

Request: {"x": start, "y": start, "log_rows": 6 to 14}.  Output: y in the last of 2^log_rows states.
"""

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from bitsage.obelysk import InputField, JobInputInvalid, Limits, ProvenJob
from bitsage.obelysk.statement import BINDING_VALUES, CONFIG, stored
from bitsage.stark import Air, AirBuilder, ComponentBuilder, P, PublicValue


@lru_cache(maxsize=1)
def squares_air() -> Air:
    c = ComponentBuilder("squares")
    first, last = c.preprocessed("first"), c.preprocessed("last")
    (x_before, x), (y_before, y) = c.columns((-1, 0)), c.columns((-1, 0))
    c.constrain((1 - first) * (x - y_before))
    c.constrain((1 - first) * (y - x_before * x_before - y_before * y_before))
    c.constrain(first * (x - c.public("x")))
    c.constrain(first * (y - c.public("y")))
    c.constrain(last * (y - c.public("result")))
    # Everything public goes into the transcript before the trace is committed.
    public = [PublicValue(name) for name in ("log_rows", "x", "y", "result")]
    air = AirBuilder("squares", preprocessed=("first", "last")).add(c).step("mix_config")
    return air.step("mix_u32s", *public, *BINDING_VALUES).commit(0).commit(1).build()


class SquaresJob(ProvenJob):
    name = "squares"
    input_schema: ClassVar = {
        "x": InputField("integer", "first start value, below 2^31 - 1"),
        "y": InputField("integer", "second start value, below 2^31 - 1"),
        "log_rows": InputField("integer", "log2 of the number of states, 6 to 14"),
    }
    limits = Limits(tuple(range(6, 15)), 1 << 10, 1 << 20, 256 << 10, CONFIG.security_bits)

    def validate(self, request: Any) -> None:
        super().validate(request)
        if request["log_rows"] not in self.limits.sizes or not (0 <= request["x"] < P and 0 <= request["y"] < P):
            raise JobInputInvalid("size", "log_rows must be 6 to 14, x and y below 2^31 - 1")

    def states(self, request: Any) -> list[tuple[int, int]]:
        self.validate(request)
        states = [(request["x"], request["y"])]
        while len(states) < 1 << request["log_rows"]:
            x, y = states[-1]
            states.append((y, (x * x + y * y) % P))
        return states

    def run(self, request: Any) -> int:
        return self.states(request)[-1][1]

    def encode_output(self, output: Any) -> bytes:
        if type(output) is not int or not 0 <= output < P:
            raise JobInputInvalid("output_format")
        return output.to_bytes(4, "little")

    def decode_output(self, data: bytes) -> int:
        value = int.from_bytes(data, "little")
        if len(data) != 4 or value >= P:
            raise JobInputInvalid("output_format")
        return value

    def air(self) -> Air:
        return squares_air()

    def public_inputs(self, request: Any, output: Any) -> dict[str, int]:
        return {**request, "result": output}

    def selectors(self, request: Any, output: Any) -> tuple[Any, ...]:
        rows = np.arange(1 << request["log_rows"])
        return tuple(stored((rows == row).astype(np.uint32)) for row in (0, len(rows) - 1))

    def trace(self, request: Any, output: Any) -> tuple[Any, ...]:
        return tuple(stored(np.array(column, dtype=np.uint32)) for column in zip(*self.states(request), strict=True))
