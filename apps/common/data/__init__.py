"""Data that more than one application reads, and the one door to a source of examples."""
