"""What applications share that answer a source with a sequence of pieces of words."""
