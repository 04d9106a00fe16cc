"""Run a command of the application: `python -m apps.forecasting`."""

from pathlib import Path

from apps.common.outline import answer_early
from apps.common.quiet import import_tensorflow_quietly
from apps.common.workers import start_workers

if __name__ == "__main__":
    answer_early(Path(__file__).with_name("app.py"), "apps.forecasting")
    start_workers("apps.forecasting")
    import_tensorflow_quietly()

    from apps.forecasting.app import main

    main()
