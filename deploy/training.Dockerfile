# Training, on CPUs or on NVIDIA's GPUs:
#   docker build -f deploy/training.Dockerfile -t rnnlayers-training .
#   docker build -f deploy/training.Dockerfile -t rnnlayers-training:gpu --build-arg EXTRA='[gpu]' .
#   docker run --rm -v "$PWD/data:/data:ro" -v "$PWD/runs:/runs" rnnlayers-training \
#       apps.NAME train --source /data --run /runs/first --workers 2
# With GPUs: `docker run --gpus all`, which needs the NVIDIA container toolkit. User 10001 must be
# allowed to write to the folder of the runs.
FROM python:3.12-slim AS packages
# The compiler is that of the base image; it builds the native engine, and stays behind in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv venv /packages \
    && uv pip install --no-cache --python /packages --group apps --group tune --constraint requirements.lock
COPY README.md LICENSE hatch_build.py ./
COPY rnnlayers rnnlayers
ARG EXTRA=""
RUN uv pip install --no-cache --python /packages --constraint requirements.lock ".$EXTRA"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home training
COPY --from=packages /packages /packages
WORKDIR /training
COPY apps apps
# With what NVIDIA's toolkit gives to the container, the packages of the extra have all of CUDA.
ENV PATH="/packages/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
ENTRYPOINT ["python", "-m"]
CMD ["apps.demo", "--help"]
