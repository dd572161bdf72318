"""What a function's log lines measure: the metrics of its EMF lines, added up."""

import json
import threading
from collections import Counter


class MetricsTally:
    """Adds up the metrics of every EMF line it is given, as CloudWatch's ``Sum`` would; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()
        self._lines = 0

    def take(self, text: str) -> None:
        """Take one log line; what is no line of metrics is passed over."""
        if not text.startswith('{"_aws"'):
            return
        blob = json.loads(text)
        names = [metric["Name"] for group in blob["_aws"]["CloudWatchMetrics"] for metric in group["Metrics"]]
        with self._lock:
            self._lines += 1
            for name in names:
                value = blob[name]
                self._sums[name] += sum(value) if isinstance(value, list) else value

    def sums(self) -> dict[str, float]:
        with self._lock:
            return dict(self._sums)
