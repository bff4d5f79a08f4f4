"""Lets a job server fetch the files that a pipeline depends on, and no other.

To stage a pipeline, Beam's portable runners answer the job server's requests for files. Beam 2.77 reads any path or URL
that the job server names: one that was taken over could read the launcher's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from apache_beam.portability.api import beam_artifact_api_pb2_grpc as artifact_api_grpc
from apache_beam.runners.portability import artifact_service
from apache_beam.runners.portability.portable_runner import JobServiceHandle, PortableRunner

from gristmill.errors import RunError


class StagedArtifacts(artifact_service.ArtifactRetrievalService):  # type: ignore[misc]
    """Serves ``artifacts`` only."""

    def __init__(self, artifacts: Iterable[Any]) -> None:
        super().__init__(artifact_service.BeamFilesystemHandler(None).file_reader)
        self._staged = {(artifact.type_urn, artifact.type_payload) for artifact in artifacts}

    def GetArtifact(self, request: Any, context: Any = None) -> Iterator[Any]:  # noqa: N802 - named by gRPC
        artifact = request.artifact
        if (artifact.type_urn, artifact.type_payload) not in self._staged:
            raise RunError(
                f"the job server asked for {artifact.type_payload!r}, which the job does not need: use a job server "
                "that you trust"
            )
        yield from super().GetArtifact(request, context)


def stage_only_dependencies(runner: PortableRunner) -> PortableRunner:
    """Make ``runner`` stage nothing but the dependencies of the pipeline's environments."""
    create = runner.create_job_service_handle

    def create_restricted(job_service: Any, options: Any) -> JobServiceHandle:
        handle = create(job_service, options)
        handle.stage = _stage
        return handle

    runner.create_job_service_handle = create_restricted
    return runner


def _stage(pipeline: Any, endpoint: str, token: str) -> None:
    """Replaces ``JobServiceHandle.stage``."""
    if not endpoint:
        return
    artifacts = [each for env in pipeline.components.environments.values() for each in env.dependencies]
    with grpc.insecure_channel(endpoint) as channel:
        service = artifact_api_grpc.ArtifactStagingServiceStub(channel)
        artifact_service.offer_artifacts(service, StagedArtifacts(artifacts), token)
