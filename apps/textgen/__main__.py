"""Run a command of the application: `python -m apps.textgen`."""

from apps.common.quiet import import_tensorflow_quietly

if __name__ == "__main__":
    import_tensorflow_quietly()

    from apps.textgen.app import main

    main()
