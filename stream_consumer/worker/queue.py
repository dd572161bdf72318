"""
The SQS queue of a worker. The worker receives a single message at a time and hides the message while working.

The rule: a message is deleted only when its work is done. Work that cannot be done is left to the redrive policy of the
queue, which counts receives.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from stream_consumer.aws.retry import is_transient
from stream_consumer.errors import StreamConsumerError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# Source: Amazon SQS developer guide, "Visibility timeout": 12 hours, counted from the receive.
MAX_HIDDEN_SECONDS = 12 * 3600 - 60


class ReceiptLost(StreamConsumerError):
    """This worker no longer holds the message: the message is visible again, received by another worker, or deleted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message, with the receipt that proves possession."""

    id: str
    receipt: str
    body: str
    receives: int
    """Number of receives, this one included. SQS only promises an approximation."""


class Queue:
    """An SQS queue of notifications."""

    def __init__(self, sqs: "SQSClient", url: str, *, hidden_seconds: int) -> None:
        """*hidden_seconds* is the time for which a received or extended message is hidden from other workers."""
        self._sqs = sqs
        self.url = url
        self._hidden_seconds = hidden_seconds

    def receive(self, wait_seconds: int) -> Message | None:
        """
        Return the first message to arrive within *wait_seconds*, or None.

        A wait above 0 asks every server of the queue, so None means that the queue had no message.
        """
        answer = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._hidden_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for message in answer.get("Messages", []):
            receives = int(message["Attributes"]["ApproximateReceiveCount"])
            return Message(message["MessageId"], message["ReceiptHandle"], message["Body"], receives)
        return None

    def extend(self, message: Message) -> None:
        """
        Hide *message* for another ``hidden_seconds``.

        Raises:
            ReceiptLost: The extension comes too late.
        """
        self.hide(message, self._hidden_seconds)

    def hide(self, message: Message, seconds: float) -> None:
        """
        Hide *message* for *seconds*. With 0, the next receive may return the message.

        Raises:
            ReceiptLost: The request comes too late.
        """
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self.url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=min(round(seconds), MAX_HIDDEN_SECONDS),
            )
        except ClientError as error:
            if is_transient(error):
                raise
            raise ReceiptLost(f"message {message.id} is not ours any more: {error}") from error

    def delete(self, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)
