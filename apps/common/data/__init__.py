"""Reading data: sources of examples, files, the catalogue, splits, a sample of reviews."""
