"""A busy machine must not fail a property: no deadline for one example."""

from hypothesis import settings

settings.register_profile("wallet", deadline=None, max_examples=50)
settings.load_profile("wallet")
