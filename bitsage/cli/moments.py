"""Times for people."""

from datetime import UTC, datetime


def moment(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC; what no calendar holds stays a number."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
