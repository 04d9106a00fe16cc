"""Benchmarks: `python -m benchmarks` measures, and writes the tables that the documents quote.

This module imports nothing, so that the worker, which runs where only PyTorch is, can import it.
"""
