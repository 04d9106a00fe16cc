"""Run a command of the server: `python -m apps.serve`."""

from apps.common.quiet import import_tensorflow_quietly
from apps.serve import without_keras

if __name__ == "__main__":
    with without_keras():
        import_tensorflow_quietly()
        import tensorflow  # noqa: F401  (even where it need not be quiet)

    from apps.serve.server import main

    main()
