"""The sum of the metrics in a function's EMF log lines."""

import json
import threading
from collections import Counter


class MetricsTally:
    """Collects the metrics of EMF lines, for the statistics that CloudWatch has. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._most: dict[str, float] = {}

    def take(self, text: str) -> bool:
        """Add one log line and return True, or return False if the line has no metrics."""
        if not text.startswith('{"_aws"'):
            return False
        blob = json.loads(text)
        names = [metric["Name"] for group in blob["_aws"]["CloudWatchMetrics"] for metric in group["Metrics"]]
        with self._lock:
            for name in names:
                values = blob[name] if isinstance(blob[name], list) else [blob[name]]
                self._sums[name] += sum(values)
                self._counts[name] += len(values)
                self._most[name] = max(*values, self._most.get(name, values[0]))
        return True

    def sums(self) -> dict[str, float]:
        with self._lock:
            return dict(self._sums)

    def averages(self) -> dict[str, float]:
        with self._lock:
            return {name: total / self._counts[name] for name, total in self._sums.items()}

    def maxima(self) -> dict[str, float]:
        with self._lock:
            return dict(self._most)
