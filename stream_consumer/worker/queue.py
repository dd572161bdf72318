"""
The queue, as a worker uses it: one message at a time, hidden for as long as it is worked on.

The rule: a message is only ever deleted when its work is done. What cannot be done is left to the redrive policy of the
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
    """The message is not ours any more: it is visible again, another has it, or it was deleted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received, and the receipt that it is ours by."""

    id: str
    receipt: str
    body: str
    receives: int
    """How often it was received, this time included; about, as SQS says."""


class Queue:
    """An SQS queue of notifications."""

    def __init__(self, sqs: "SQSClient", url: str, *, hidden_seconds: int) -> None:
        """*hidden_seconds*: how long a received or extended message is hidden from others."""
        self._sqs = sqs
        self.url = url
        self._hidden_seconds = hidden_seconds

    def receive(self, wait_seconds: int) -> Message | None:
        """
        Return a message, the first that comes within *wait_seconds*.

        A wait above 0 asks every server of the queue, so nothing means that there was nothing.
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
        Keep *message* hidden for another while.

        Raises:
            ReceiptLost: It is too late for that.
        """
        self.hide(message, self._hidden_seconds)

    def hide(self, message: Message, seconds: float) -> None:
        """
        Keep *message* hidden for so long; 0 gives it to the next who asks.

        Raises:
            ReceiptLost: It is too late for that.
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
