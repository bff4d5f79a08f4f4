# The image of launcher and workers of the Flex template: the worker image (deploy/image) with Dataflow's launcher.
#   docker build -f deploy/dataflow/Dockerfile.flex --build-arg WORKER=… -t … deploy/dataflow
# The entrypoint is still that of the worker image, Beam's boot: a template launch calls the launcher by its path.
ARG WORKER
ARG LAUNCHER=gcr.io/dataflow-templates-base/python311-template-launcher-base:latest
FROM ${LAUNCHER} AS launcher
FROM ${WORKER}
COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
COPY flex.py /template/flex.py
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/flex.py
