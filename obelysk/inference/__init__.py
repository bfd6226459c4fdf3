"""The job type `inference`: a quantised neural network on a batch of images, with a proof of its logits.

`model` is the network in integers, `digits` the handwritten digits that come with it, `train` makes the model
from them, `air` says what is proven and `job` is the job type.
"""

from .digits import digits, parse_range
from .job import InferenceJob
from .model import Model, Prediction, default_model

__all__ = ["InferenceJob", "Model", "Prediction", "default_model", "digits", "parse_range"]
