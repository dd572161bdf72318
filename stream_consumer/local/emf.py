"""What a function's log lines say: the metrics of EMF lines added up, the rest counted."""

import json
import threading
from collections import Counter


class MetricsTally:
    """Adds up the metrics of every EMF line it is given, as CloudWatch's ``Sum`` would; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()
        self._lines = 0

    def line(self, text: str) -> bool:
        """Take one log line; whether it was a line of metrics."""
        if not text.startswith('{"_aws"'):
            return False
        blob = json.loads(text)
        names = [metric["Name"] for group in blob["_aws"]["CloudWatchMetrics"] for metric in group["Metrics"]]
        with self._lock:
            self._lines += 1
            for name in names:
                value = blob[name]
                self._sums[name] += sum(value) if isinstance(value, list) else value
        return True

    def sums(self) -> dict[str, float]:
        with self._lock:
            return dict(self._sums)
