"""What came of a schedule, invocation by invocation."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from stream_consumer.contract.record import Record
from stream_consumer.local.runtime.functions import Invocation
from tests.fakes import FakeKinesis, FakeS3, Fault, PutObject, PutRecords
from tests.faults.schedules import Schedule, Trouble


@dataclass(slots=True)
class Delivery:
    """One invocation: what it was given, what it sent, and how it ended."""

    records: list[Record]
    trouble: Trouble | None
    invocation: Invocation = field(default_factory=lambda: Invocation(""))
    requests: list[PutRecords] = field(default_factory=list)
    letters: list[PutObject] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    died: bool = False
    ignored: bool = False
    """Nobody waited for its outcome any more."""

    @property
    def faults(self) -> list[Fault]:
        """What its calls met."""
        return [call.fault for call in self.calls if call.fault]

    @property
    def calls(self) -> list[PutRecords | PutObject]:
        return [*self.letters, *self.requests]


@dataclass(slots=True)
class Run:
    """What came of a schedule."""

    schedule: Schedule
    records: list[Record]
    """Everything that was put, KPL aggregates unfolded."""
    kinesis: FakeKinesis
    s3: FakeS3
    destination: FakeS3
    deliveries: list[Delivery] = field(default_factory=list)
    forgotten: int = 0
    """Events settled beyond the checkpoint when the mapping restarted, which come again."""
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What the on-failure destination holds."""
        return [json.loads(body) for body in self.destination.objects.values()]

    @property
    def faults(self) -> Counter[str]:
        """What struck, by kind."""
        met = (*self.kinesis.faults_met, *self.s3.faults_met, *self.destination.faults_met)
        return self.troubles + Counter(fault.name for fault in met)

    def struck(self, trouble: Trouble) -> None:
        self.troubles[type(trouble).__name__] += 1
