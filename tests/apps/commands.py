"""What tests of commands share."""

import pytest


def refused(call, capsys, *argv):
    """Give a command that cannot work, and return the one line that answers it.

    Args:
        call: Runs a command of the application with these arguments.
        capsys: The fixture of pytest.
        *argv: The arguments.
    """
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        call(*argv)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line
