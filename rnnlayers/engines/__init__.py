"""Engines: how the loop over time runs. All give the same numbers; they differ in speed."""
