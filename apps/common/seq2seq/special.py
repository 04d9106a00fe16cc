"""The ids that are no pieces of words: the same in every vocabulary."""

PAD, UNKNOWN, START, STOP = range(4)
SPECIAL = ("[pad]", "[unknown]", "[start]", "[stop]")
