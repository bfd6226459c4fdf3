"""The table of read models."""

from collections.abc import Iterable

from . import balances, consensus, fraud, jobs, payments, stakes, workers
from .errors import UnknownModel
from .schema import Model

#: Every model, in the order in which they are listed.
MODELS: tuple[Model, ...] = tuple(
    module.MODEL for module in (balances, stakes, workers, jobs, consensus, payments, fraud)
)
_BY_NAME = {model.name: model for model in MODELS}


def models_of(chosen: Iterable[str | Model]) -> list[Model]:
    """The models of these names; every model when there are none.

    Raises:
        UnknownModel: a name is not a model's.
    """
    return [model_named(one) if isinstance(one, str) else one for one in chosen] or list(MODELS)


def model_named(name: str) -> Model:
    """The model of that name.

    Raises:
        UnknownModel: there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownModel(name, list(_BY_NAME)) from None
