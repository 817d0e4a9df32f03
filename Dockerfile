# The image that every node of a cluster starts: docker build -t registry.example.org/tune_ks:0.2.0 .
# It was linted, not built (CHANGELOG). The build argument chooses torch's wheels: cu126 for NVIDIA cards, cpu without one.
FROM python:3.11-slim

ARG TORCH=cu126
# Ray's node commands need these two programs; wget is what KubeRay's health checks call
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends procps wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ks

WORKDIR /app
COPY constraints.txt pyproject.toml setup.py README.md LICENSE run_search.py ./
COPY tune_ks tune_ks
COPY analysis analysis
COPY search_spaces search_spaces
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url "https://download.pytorch.org/whl/${TORCH}" .

# the user ks: nothing in a data folder needs root
USER 1000
CMD ["python", "run_search.py", "--help"]
