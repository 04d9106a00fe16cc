"""A portable SavedModel from a model or from plain functions, verified before it is published."""

from rnnlayers.export.saved_model import export_model

__all__ = ["export_model"]
