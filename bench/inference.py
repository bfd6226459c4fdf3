"""Accuracy of the digit classifier, and the times of its proofs.

./run bench inference
"""

from typing import Any

import zstandard
from prover import BINDING, best, table

from bitsage.obelysk.inference import InferenceJob, default_model, digits
from bitsage.obelysk.inference.digits import split
from bitsage.obelysk.inference.train import accuracy, train
from bitsage.stark import Proof, verify

RUNS = 5


def shares() -> list[dict[str, Any]]:
    """Accuracy of the float and of the quantised model on images of the training and of the test part."""
    images, labels = digits()
    trained, model = train(), default_model()
    return [
        {
            "images": name,
            "count": len(part),
            "float": f"{accuracy(trained.logits(images[part]), labels[part]):.4f}",
            "quantised": f"{accuracy(model.predict(images[part]).logits, labels[part]):.4f}",
        }
        for name, part in zip(("seen in training", "not seen"), split(), strict=True)
    ]


def batch(count: int) -> dict[str, Any]:
    """One batch from input to verdict."""
    job, request = InferenceJob(), {"model": default_model().hash.hex(), "digits": f"0-{count - 1}"}
    output = job.run(request)
    hashed = job.output_hash(output)
    proof = job.prove(request, output, BINDING)
    air, params = job.statement(request, BINDING)
    parsed = Proof.from_bytes(proof)
    return {
        "images": count,
        "rows": 1 << params.log_sizes[0],
        "run ms": round(best(lambda: job.run(request), RUNS) * 1e3, 2),
        "prove s": round(best(lambda: job.prove(request, output, BINDING), RUNS), 2),
        "verify ms": round(best(lambda: verify(air, params, parsed, required_bits=96), RUNS) * 1e3, 1),
        "job verify ms": round(best(lambda: job.verify(request, output, proof, BINDING), RUNS) * 1e3, 1),
        "by hash ms": round(best(lambda: job.verify(request, hashed, proof, BINDING), RUNS) * 1e3, 1),
        "binary B": len(proof),
        "zstd B": len(zstandard.compress(proof)),
    }


def run() -> None:
    """The tables of `./run bench inference`."""
    print(f"# Inference, best of {RUNS}\n")
    print(table(shares()), table([batch(n) for n in (1, 16, 128, 256)]), sep="\n\n")


if __name__ == "__main__":
    run()
