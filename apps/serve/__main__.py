"""Run a command of the server: `python -m apps.serve`."""

import sys
from pathlib import Path

from apps.common.quiet import import_tensorflow_quietly
from apps.serve import missing_packages, without_keras

if __name__ == "__main__":
    if missing := missing_packages():
        print(
            f"error: the server needs {', '.join(missing)}; run `make setup` in a clone of the "
            "project, or `pip install --editable . --group serving` with pip 25.1 or later",
            file=sys.stderr,
        )
        sys.exit(2)

    from apps.common.outline import answer_early
    from apps.serve.settings import DEFAULT_COMMAND

    answer_early(Path(__file__).with_name("server.py"), "apps.serve", DEFAULT_COMMAND)
    with without_keras():
        import_tensorflow_quietly()

    from apps.serve.server import main

    main()
