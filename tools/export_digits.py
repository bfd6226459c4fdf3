"""Write obelysk/inference/data/digits.npz from scikit-learn's copy of the handwritten digits (UCI, see docs/inference.md).

Needs scikit-learn, which BitSage itself does not:  python tools/export_digits.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "obelysk" / "inference" / "data" / "digits.npz"


def main() -> None:
    """Images as uint8 (1797, 64) with pixels 0 to 16, labels as uint8 (1797,)."""
    digits = load_digits()
    images, labels = digits.data.astype(np.uint8), digits.target.astype(np.uint8)
    assert images.shape == (1797, 64)
    assert int(images.max()) == 16
    np.savez_compressed(TARGET, images=images, labels=labels)


if __name__ == "__main__":
    main()
