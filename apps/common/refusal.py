"""What a command answers when the user asks for something that cannot be done."""


class Refusal(ValueError):  # noqa: N818 (the mistake is not ours)
    """A mistake that the user can mend: an argument, a file, a folder.

    The message is a sentence that says what was expected, what was received and what to do. A
    command prints it as one line and ends with status 2. Any other exception is a bug and keeps its
    traceback.
    """
