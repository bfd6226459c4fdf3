"""A validator that votes against the truth: the demo's liar. Not part of the product.

Everything but the judgement is the real node: it verifies the proof and then says the opposite.
"""

import sys

from standin import run_node

from bitsage.nodes.jobwork import judge
from bitsage.nodes.validator import ValidatorNode
from bitsage.schemas.events import ProofGenerated
from bitsage.schemas.parameters import Parameters


def lie(job_type: str, job_input: str, proof: ProofGenerated, parameters: Parameters) -> tuple[bool, str]:
    valid, _ = judge(job_type, job_input, proof, parameters)
    return not valid, "lying_on_purpose"


if __name__ == "__main__":
    run_node(sys.argv[1], lambda client, folder: ValidatorNode(client, folder, judgement=lie))
