"""One instance of every AIR of the repository, under several configurations, each with a way to prove it.

`./run interop` shows their proofs to the published Rust verifier; the soundness tests attack the same list.
A new AIR is added by one entry of `AIRS`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from bitsage.obelysk import generate_inputs, get_job_type
from bitsage.obelysk.inference import default_model
from bitsage.obelysk.job import JobType, Request, WitnessedJob
from bitsage.obelysk.matmul import CONFIG as PRODUCTION
from bitsage.obelysk.matmul import interaction_columns
from bitsage.obelysk.matrices import product
from bitsage.stark import Air, Backend, NumpyBackend, Params, PcsConfig, ProofBundle, Trace, prove
from bitsage.stark.examples import Instance as ExampleInstance
from bitsage.stark.examples import cube, plonk, simple, state_machine, wide_fibonacci, xor
from bitsage.stark.prover import InteractionMaker

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "examples" / "plugin" / "squares.py"
BINDING = bytes(range(32))
VM_REQUEST = {"assembly": (ROOT / "examples" / "vm" / "collatz.asm").read_text(), "inputs": (6).to_bytes(4, "little")}
INFERENCE_REQUEST = {"model": default_model().hash.hex(), "digits": "0"}

#: Small configurations that between them use every parameter, and the one that jobs are proven with.
CONFIGS: dict[str, PcsConfig] = {
    "b1 q3 k1": PcsConfig(pow_bits=5, log_blowup_factor=1, n_queries=3, fold_step=1),
    "b2 q12 k3": PcsConfig(pow_bits=5, log_blowup_factor=2, n_queries=12, fold_step=3),
    "b3 q8 k2 last1": PcsConfig(
        pow_bits=5, log_blowup_factor=3, n_queries=8, fold_step=2, log_last_layer_degree_bound=1
    ),
    "b1 q20 k2 lifted": PcsConfig(pow_bits=5, log_blowup_factor=1, n_queries=20, fold_step=2),
    "production": replace(PRODUCTION, pow_bits=12),
}
LIFTED = "b1 q20 k2 lifted"


@dataclass(frozen=True, slots=True)
class Instance:
    """An AIR with parameters and a trace that satisfies it; `interaction` where columns are drawn explicitly."""

    name: str
    air: Air
    params: Params
    trace: Trace
    interaction: InteractionMaker | None = None

    def prove(self, backend: Backend | None = None, *, check: bool = True) -> ProofBundle:
        """A proof; `check=False` is the prover that does not look whether its trace is right."""
        return prove(self.air, self.params, self.trace, interaction=self.interaction, backend=backend, check=check)


def _job(config: PcsConfig, job: JobType, request: Request) -> Instance:
    """A job's own statement and witness under another configuration."""
    assert isinstance(job, WitnessedJob)
    air, params = job.statement(request, BINDING)
    if config.log_blowup_factor != PRODUCTION.log_blowup_factor:
        # The pinned root is that of the production blow-up.
        params = replace(params, preprocessed_root=None)
    return Instance(job.name, air, replace(params, config=config), job.witness(request))


def _matmul(config: PcsConfig) -> Instance:
    request = {"size": 16, "seed": 3}
    a, b = generate_inputs(16, 3)
    c = product(a, b)
    # The maker's columns stay honest beside an altered trace; solved ones would follow it.
    made = _job(config, get_job_type("matmul"), request)
    return replace(made, interaction=lambda challenges: interaction_columns(a, b, c, challenges))


def _squares(config: PcsConfig) -> Instance:
    """The job type of examples/plugin, which no package registers here."""
    spec = importlib.util.spec_from_file_location("squares_example", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _job(config, module.SquaresJob(), {"x": 3, "y": 4, "log_rows": 6})


def _example(name: str, make: Callable[[PcsConfig], ExampleInstance]) -> Callable[[PcsConfig], Instance]:
    return lambda config: Instance(name, *make(config))


AIRS: Mapping[str, Callable[[PcsConfig], Instance]] = {
    "wide_fibonacci": _example("wide_fibonacci", lambda c: wide_fibonacci(c, [(6, 6)])),
    "wide_fibonacci_two": _example("wide_fibonacci_two", lambda c: wide_fibonacci(c, [(7, 4), (4, 5)])),
    "cube": _example("cube", lambda c: cube(c, 6)),
    "plonk": _example("plonk", lambda c: plonk(c, 6, mul_every=3)),
    "state_machine": _example("state_machine", lambda c: state_machine(c, 6, (3, 5))),
    "xor": _example("xor", lambda c: xor(c, 3, 5)),
    "simple": _example("simple", lambda c: simple(c, 6, 4)),
    "matmul": _matmul,
    "squares": _squares,
    "vm": lambda config: _job(config, get_job_type("vm"), VM_REQUEST),
    "inference": lambda config: _job(config, get_job_type("inference"), INFERENCE_REQUEST),
}


#: AIRs whose smallest instance takes long to prove: their exhaustive tests are slow ones.
HEAVY: frozenset[str] = frozenset({"vm", "inference"})


@lru_cache(maxsize=1)
def backends() -> dict[str, Backend]:
    """Provers of this machine by name: NumPy, and every OpenCL device there is."""
    made: dict[str, Backend] = {"numpy": NumpyBackend()}
    try:
        from bitsage.opencl import OpenCLBackend, discover
    except ImportError:
        return made
    return made | {f"opencl{info.index}": OpenCLBackend(info) for info in discover()}


@lru_cache(maxsize=64)
def instance(name: str, config: str) -> Instance | None:
    """The AIR under the configuration; None where the two do not go together.

    A lifting size needs a preprocessed column (spec stark.md section 4); it is set two above the natural one.
    """
    made = AIRS[name](CONFIGS[config])
    if config != LIFTED:
        return made
    params = made.params
    if not made.air.preprocessed:
        return None
    natural = max(*params.log_sizes, *params.preprocessed_log_sizes) + params.config.log_blowup_factor
    lifted = replace(params.config, lifting_log_size=natural + 2)
    return replace(made, params=replace(params, config=lifted, preprocessed_root=None))
