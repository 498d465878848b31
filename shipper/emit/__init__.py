"""Logging for the application: loggers, pipeline output, metrics, audit trail and event names.

Call ``setup_logging`` once at the start; call ``get_logger`` anywhere, before or after.
"""

from shipper.emit.audit import AuditLog
from shipper.emit.context import WorkflowLogContext
from shipper.emit.events import (
    discovery_completed,
    discovery_session_found,
    discovery_started,
    metrics_workflow_completed,
    pipeline_completed,
    pipeline_failed,
    pipeline_log_capture_completed,
    pipeline_log_capture_started,
    pipeline_queued,
    pipeline_started,
    stage_completed,
    stage_failed,
    stage_started,
    workflow_completed,
    workflow_failed,
    workflow_started,
)
from shipper.emit.logging import add_workflow_context, get_logger, setup_logging
from shipper.emit.metrics import MetricsCollector, WorkflowMetrics, get_metrics_collector
from shipper.emit.pipeline_logger import PipelineLogCapture
from shipper.emit.rotating_file import RotatingFile, Rotation
from shipper.taxonomy import Event

__all__ = [
    "AuditLog",
    "Event",
    "MetricsCollector",
    "PipelineLogCapture",
    "RotatingFile",
    "Rotation",
    "WorkflowLogContext",
    "WorkflowMetrics",
    "add_workflow_context",
    "discovery_completed",
    "discovery_session_found",
    "discovery_started",
    "get_logger",
    "get_metrics_collector",
    "metrics_workflow_completed",
    "pipeline_completed",
    "pipeline_failed",
    "pipeline_log_capture_completed",
    "pipeline_log_capture_started",
    "pipeline_queued",
    "pipeline_started",
    "setup_logging",
    "stage_completed",
    "stage_failed",
    "stage_started",
    "workflow_completed",
    "workflow_failed",
    "workflow_started",
]
