"""JSON log lines on stdout: one event in the past tense, fields with units in their names.

Everything that the standard library's logging says (uvicorn, the connection pool) goes the same way. Called once by
`cli.py`; the others get a logger or ask structlog for one.
"""

import logging
import sys
from typing import Any

import structlog


def configure(level: str, **fields: Any) -> None:
    """Send every log line of this process to stdout as JSON, with `fields` (role, replica) on each."""

    def bound(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**fields, **event}

    shared: list[Any] = [
        bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelName(level.upper())), force=True)
