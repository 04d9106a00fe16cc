"""The simplest server: FastAPI, and the model called in each request."""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving import PORT, predict_path, signature_of


class Request(BaseModel):
    """The body of a request."""

    instances: list[str]


def main(model: Path) -> None:
    """Serve a model until stopped."""
    predict, app = signature_of(model), FastAPI()

    @app.post(predict_path(model))
    def answer(request: Request) -> dict:
        return {"predictions": predict(request.instances)}

    uvicorn.run(app, port=PORT, log_level="error", access_log=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
