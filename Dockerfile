# The image that Lambda runs. `make image` is the short way; docker, buildx, podman and buildah build this file alike, so it
# has no syntax line, heredoc or linked copy. A base by digest is yours to give, since only your registry can vouch for one:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:… .
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY .ci/locks/runtime.txt ./
# Where pip needs a configuration or a certificate bundle of its own, they are mounted for this line and end up in no layer.
RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv --without-pip /opt/venv \
 && python3 -m pip --python /opt/venv/bin/python install --quiet --disable-pip-version-check --root-user-action ignore \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --requirement runtime.txt
COPY infra/container/trim.py ./
# Checked by their hash or not at all: an image's files do not change, and its time stamps may.
RUN /opt/venv/bin/python trim.py \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib
COPY stream_consumer /var/task/stream_consumer
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /var/task && chmod -R a+rX /var/task
# The name of a folder in .image/ with an MLflow model in it, and what it hashes to. Without one MODEL_LOCATION is read at init.
ARG MODEL=""
ARG MODEL_DIGEST=""
COPY infra/container/bake.py .image* ./context/
RUN PYTHONPATH=/var/task /opt/venv/bin/python context/bake.py "${MODEL}" "${MODEL_DIGEST}"

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG MODEL=""
ARG MODEL_DIGEST=""
ARG VERSION=""
ARG REVISION=""
# SnapStart takes an image that is not built on AWS's own base only with its label.
LABEL com.amazonaws.lambda.feature.snapstart="Allow" \
      org.opencontainers.image.title="stream-consumer" \
      org.opencontainers.image.description="Scores Kinesis records with a scikit-learn model on AWS Lambda" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      stream-consumer.model.digest="${MODEL_DIGEST}"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /var/task /var/task
COPY --from=build /opt/model /opt/model
# Lambda mounts no shared memory; joblib would look for it at import, and warn.
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONPATH=/var/task \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8 \
    JOBLIB_MULTIPROCESSING=0 \
    MODEL_LOCATION=${MODEL:+/opt/model} \
    MODEL_DIGEST=${MODEL_DIGEST}
WORKDIR /var/task
USER 65532:65532
ENTRYPOINT ["/opt/venv/bin/python", "-m", "awslambdaric"]
CMD ["stream_consumer.lambda_function.lambda_handler"]
