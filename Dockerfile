# The image that Lambda runs. `make image` is the short way; docker, buildx, podman and buildah build this file alike, so it
# has no syntax line, heredoc or linked copy. The base is a patch release of Docker's official image, by the digest of its index
# of architectures as several public repositories have it. A newer one, or your registry's copy, is an argument:
#   docker build --build-arg PYTHON_IMAGE=registry/python:3.13-slim-trixie@sha256:… .
# Without a target it is the lean image: the Kinesis consumer and nothing else. `--target doors` adds two layers: packages, and
# batch scoring, the queue's worker, the web service and the rest of the command line. `--target training` adds the packages that
# training needs to the lean image, and the same code. `--target quickstart` is for compose.yaml, on one machine: the image with
# doors, the embedded Kinesis and S3, and an example model.
ARG PYTHON_IMAGE=python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS packages
ENV PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
# What a model needs beside these packages, `make image` resolves into another lock, under .image/, and names what it added.
ARG PACKAGES=.ci/locks/runtime.txt
ARG ADDED=""
COPY ${PACKAGES} ./runtime.txt
# Where pip needs a configuration or a certificate bundle of its own, they are mounted for this line and end up in no layer.
RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv --without-pip /opt/venv \
 && python3 -m pip --python /opt/venv/bin/python install -qq --disable-pip-version-check --root-user-action ignore \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --requirement runtime.txt \
 && python3 -m pip --python /opt/venv/bin/python check --disable-pip-version-check
COPY infra/container/trim.py infra/container/added.py ./
# Checked by their hash or not at all: an image's files do not change, and its time stamps may.
RUN /opt/venv/bin/python trim.py --aside /doors \
 && /opt/venv/bin/python added.py "${ADDED}" \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

# What the full image needs beside these. pip does not install again what is there; the proof runs where both are together.
FROM packages AS packages-doors
ARG DOORS_PACKAGES=.ci/locks/doors.txt
COPY ${DOORS_PACKAGES} ./doors.txt
RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m pip --python /opt/venv/bin/python install -qq --disable-pip-version-check --root-user-action ignore \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --prefix /doors/opt/doors \
    --requirement doors.txt \
 && /opt/venv/bin/python trim.py --gather /doors \
 && cp -r /doors/. / \
 && /opt/venv/bin/python trim.py --prove-doors \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /doors \
 && chmod -R a+rX /doors

# What training needs, likewise.
FROM packages AS packages-training
COPY .ci/locks/training.txt ./training.txt
RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m pip --python /opt/venv/bin/python install -qq --disable-pip-version-check --root-user-action ignore \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --prefix /training/opt/training \
    --requirement training.txt \
 && /opt/venv/bin/python trim.py --gather /training \
 && cp -r /training/. / \
 && /opt/venv/bin/python trim.py --prove-training \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /training \
 && chmod -R a+rX /training

# What the embedded Kinesis and S3 need beside those of the doors.
FROM packages-doors AS packages-quickstart
COPY .ci/locks/quickstart.txt ./
RUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m pip --python /opt/venv/bin/python install -qq --disable-pip-version-check --root-user-action ignore \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --prefix /quickstart/opt/quickstart \
    --requirement quickstart.txt \
 && /opt/venv/bin/python trim.py --gather /quickstart \
 && cp -r /quickstart/. / \
 && /opt/venv/bin/python -c 'import ministack.app' \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /quickstart
COPY infra/container/example_model.py ./
RUN /opt/venv/bin/python -c 'import pathlib, example_model; example_model.write_example_model(pathlib.Path("/quickstart/opt/example"))' \
 && chmod -R a+rX /quickstart

FROM packages AS build
COPY infra/container/entry.py /var/task/
COPY stream_consumer /var/task/stream_consumer
# The rooms that the Lambda path does not enter, import-linter sees to that, are in the full image only.
RUN mkdir -p /rooms/var/task/stream_consumer \
 && for room in __main__.py archive arrow.py batch cli group local magic_bytes.py operate quality reporting training web worker; do \
      mv "/var/task/stream_consumer/$room" /rooms/var/task/stream_consumer || exit 1; \
    done \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /var/task /rooms \
 && chmod -R a+rX /var/task /rooms
# The name of a folder in .image/ with an MLflow model in it, and what it hashes to. Without one MODEL_LOCATION is read at init.
ARG MODEL=""
ARG MODEL_DIGEST=""
COPY infra/container/bake.py .image* ./context/
RUN PYTHONPATH=/var/task /opt/venv/bin/python context/bake.py "${MODEL}" "${MODEL_DIGEST}"

FROM ${PYTHON_IMAGE} AS lean
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
COPY --from=packages /opt/venv /opt/venv
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
# A handler's name as the command is Lambda's; anything else is a command of stream-consumer.
ENTRYPOINT ["/opt/venv/bin/python", "/var/task/entry.py"]
CMD ["stream_consumer.lambda_function.lambda_handler"]

FROM lean AS doors
COPY --from=packages-doors /doors /
COPY --from=build /rooms /
# ECS mounts a task's scratch here, and it is root's alone unless the image declares the path: then it is as open as here.
VOLUME ["/tmp"]

FROM doors AS quickstart
COPY --from=packages-quickstart /quickstart /

FROM lean AS training
COPY --from=packages-training /training /
COPY --from=build /rooms /
VOLUME ["/tmp"]
# SageMaker's folders under /opt/ml are root's. Elsewhere any user will do.
# hadolint ignore=DL3002
USER 0:0
# Matplotlib keeps a list of fonts, and MLflow looks for git, which is not here.
ENV MPLCONFIGDIR=/tmp/matplotlib \
    GIT_PYTHON_REFRESH=quiet
CMD ["train"]

# The last one is what a build without a target makes.
FROM lean
