"""Applications of rnnlayers: one package for each way a sequence goes in and comes out."""
