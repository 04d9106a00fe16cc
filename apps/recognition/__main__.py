"""Run a command of the application: `python -m apps.recognition`."""

from pathlib import Path

from apps.common.outline import answer_early
from apps.common.quiet import import_tensorflow_quietly
from apps.common.workers import start_workers

if __name__ == "__main__":
    answer_early(Path(__file__).with_name("app.py"), "apps.recognition")
    start_workers("apps.recognition")
    import_tensorflow_quietly()

    from apps.recognition.app import main

    main()
