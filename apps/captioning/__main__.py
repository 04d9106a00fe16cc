"""Run a command of the application: `python -m apps.captioning`."""

from apps.common.quiet import import_tensorflow_quietly

if __name__ == "__main__":
    import_tensorflow_quietly()

    from apps.captioning.app import main

    main()
