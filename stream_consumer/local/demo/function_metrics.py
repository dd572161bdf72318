"""What a function's log lines measure: the metrics of its EMF lines, added up."""

import json
import threading
from collections import Counter


class MetricsTally:
    """Adds up the metrics of every EMF line it is given, as CloudWatch's ``Sum`` would; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()

    def take(self, text: str) -> bool:
        """Add up one log line and return True, or return False if the line carries no metrics."""
        if not text.startswith('{"_aws"'):
            return False
        blob = json.loads(text)
        names = [metric["Name"] for group in blob["_aws"]["CloudWatchMetrics"] for metric in group["Metrics"]]
        with self._lock:
            for name in names:
                value = blob[name]
                self._sums[name] += sum(value) if isinstance(value, list) else value
        return True

    def sums(self) -> dict[str, float]:
        with self._lock:
            return dict(self._sums)
