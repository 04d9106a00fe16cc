"""Exports of a model or of plain functions, each verified by running it before it appears."""

from rnnlayers.export.litert import export_litert
from rnnlayers.export.onnx import export_onnx
from rnnlayers.export.runtimes import UnsupportedOperatorError
from rnnlayers.export.saved_model import export_model

__all__ = ["UnsupportedOperatorError", "export_litert", "export_model", "export_onnx"]
