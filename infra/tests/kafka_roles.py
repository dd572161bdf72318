"""
The roles of consumers of Kafka, and the situations they may get into.

The rule: what a consumer is about is read off its function and mapping, not off the policies that are judged by it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.state import Resource
from infra.tests.situations import Consumer, Key, interfaces, situation
from infra.tests.terraform import ACCOUNT, REGION, CheckFailed

_MSK = f"arn:aws:kafka:{REGION}:{ACCOUNT}"
# Situations of a function's network, which are here those of its mapping too.
_NETWORK = {item["kind"] for inside in (True, False) for item in interfaces("", ACCOUNT, REGION, in_vpc=inside)}
_OF_A_STREAM = {"output stream", "key for the output stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConsumer(Consumer):
    """A consumer whose ``input_arn`` is a stream that it has nothing to do with."""

    cluster_arn: str | None
    authentication: str
    """``iam``, the kind of the secret that the mapping logs in with, or nothing."""
    topic: str
    group: str
    output_topic: str | None
    secrets: Sequence[str]
    settings: Mapping[str, str]

    @property
    def part(self) -> str:
        return "kafka"

    def situations(self) -> list[dict[str, Any]]:
        no_stream = _OF_A_STREAM if self.output_topic else set[str]()
        common = [item for item in Consumer.situations(self) if item["kind"] not in no_stream | _NETWORK]
        return [*common, *self._of_the_cluster(), *self._of_secrets(), *self._of_the_network()]

    def _of_the_cluster(self) -> Iterator[dict[str, Any]]:
        arn = self.cluster_arn or f"{_MSK}:cluster/payroll/1"
        how = {"iam": ", by IAM", "SASL_SCRAM_512_AUTH": ", by SCRAM"}.get(self.authentication, "")
        topics, groups = (arn.replace(":cluster/", f":{kind}/") for kind in ("topic", "group"))
        yield situation(f"cluster{how}" if self.cluster_arn else "a cluster", arn)
        yield situation(f"input topic{how}", f"{topics}/{self.topic}")
        yield situation("a topic with a longer name", f"{topics}/{self.topic}2")
        yield situation(f"output topic{how}", f"{topics}/{self.output_topic or 'ride_predictions'}")
        yield situation("another topic", f"{topics}/payments")
        yield situation(f"consumer group{how}", f"{groups}/{self.group}")
        yield situation("another consumer group", f"{groups}/{self.group}-2")
        yield situation("another cluster", f"{_MSK}:cluster/payments/0f5f-4")
        yield situation("a topic of another cluster", f"{_MSK}:topic/payments/0f5f-4/{self.topic}")
        yield situation("a transaction", f"{arn.replace(':cluster/', ':transactional-id/')}/{self.name}")

    def _of_secrets(self) -> Iterator[dict[str, Any]]:
        for arn in self.secrets:
            yield situation("its secret", arn)
            yield self._use("key for its secret", arn)
            yield self._use("key for its secret, through S3", arn, "s3")
            yield self._use("key for another secret", arn.replace(":secret:", ":secret:payroll-"))

    def _use(self, kind: str, secret: str, service: str = "secretsmanager") -> dict[str, Any]:
        request = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com", "kms:EncryptionContext:SecretARN": secret}
        return situation(kind, self.key.arn, request) | {"resourcePolicy": self.key.policy}

    def _of_the_network(self) -> Iterator[dict[str, Any]]:
        """Yield what a mapping is about where it comes from a VPC: that of Amazon MSK, or of the function."""
        msk = self.cluster_arn is not None
        for item in interfaces(self.name, ACCOUNT, REGION, in_vpc=self.in_vpc or msk):
            where = "of Amazon MSK" if msk and item["resource"] == "*" else "of the mapping"
            kind = item["kind"].replace("in a VPC", "in a VPC" if self.in_vpc and item["resource"] != "*" else where)
            yield item | {"kind": kind}


def kafka_consumers(found: Iterable[Resource], key: Key) -> list[KafkaConsumer]:
    """
    Read the consumers of Kafka off a plan.

    Raises:
        CheckFailed: The policies of one are not wholly known.
    """
    by_module: dict[str, list[Resource]] = {}
    for resource in found:
        by_module.setdefault(resource.address.partition("aws_")[0].removesuffix("module.function."), []).append(
            resource
        )
    mapped = {
        module: made
        for module, made in by_module.items()
        if any(item.kind == "aws_lambda_event_source_mapping" and item.values.get("topics") for item in made)
    }
    return [_consumer(module, made, key) for module, made in mapped.items()]


def _consumer(module: str, made: Sequence[Resource], key: Key) -> KafkaConsumer:
    policies = {item.address: item.values.get("policy") for item in made if item.kind == "aws_iam_role_policy"}
    if not (policies and all(policies.values())):
        raise CheckFailed(f"the policies of {module} are not known in the plan")
    [function] = [item.values for item in made if item.kind == "aws_lambda_function"]
    [mapping] = [item.values for item in made if item.kind == "aws_lambda_event_source_mapping"]
    settings = function["environment"][0]["variables"]
    # What is known only after an apply, such as a security group's id, is not in a plan.
    access = {item["type"]: item.get("uri", "") for item in mapping["source_access_configuration"]}
    secrets = {arn for arn in [*access.values(), *settings.values()] if ":secretsmanager:" in arn}
    [topic] = mapping["topics"]
    kinds = ("amazon_managed_kafka_event_source_config", "self_managed_kafka_event_source_config")
    [group] = [config["consumer_group_id"] for kind in kinds for config in mapping.get(kind) or ()]
    return KafkaConsumer(
        name=function["function_name"],
        input_arn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{topic}",
        fan_out_arn=None,
        output_name=settings.get("PREDICTIONS_STREAM_NAME", "ride_predictions"),
        failures_bucket=settings["DEAD_LETTER_BUCKET"],
        dead_letter_prefix=settings["DEAD_LETTER_PREFIX"],
        model_location=settings.get("MODEL_LOCATION"),
        challenger_location=None,
        challenger_stream_arn=None,
        in_vpc=bool(function["vpc_config"]),
        key=key,
        policies={address: policy for address, policy in policies.items() if policy},
        cluster_arn=mapping.get("event_source_arn"),
        authentication=next(
            (kind for kind in access if kind.endswith("_AUTH")), settings.get("KAFKA_AUTHENTICATION", "")
        ),
        topic=topic,
        group=group,
        output_topic=settings.get("PREDICTIONS_TOPIC"),
        secrets=sorted(secrets),
        settings=settings,
    )


def kafka_mutants(consumer: KafkaConsumer) -> Iterator[tuple[str, KafkaConsumer]]:
    """Yield *consumer* with a policy that allows too much, each by what is wrong with it."""

    def changed(old: str, new: str) -> KafkaConsumer:
        mutated = {name: text.replace(old, new) for name, text in consumer.policies.items()}
        if mutated == consumer.policies:
            raise CheckFailed(f"no policy of {consumer.name} has {old}: nothing would be changed")
        return replace(consumer, policies=mutated)

    topics = json.dumps(f"{(consumer.cluster_arn or '').replace(':cluster/', ':topic/')}/{consumer.topic}")
    yield "of a consumer of Kafka on longer names", changed(topics, topics[:-1] + '*"')
    yield "of a consumer of Kafka on every group", changed(f'/{consumer.group}"', '/*"')
    yield "of a consumer of Kafka to make topics", changed("kafka-cluster:DescribeTopic", "kafka-cluster:*Topic")
    yield "of a consumer of Kafka's code in a VPC", changed('"Effect":"Deny"', '"Effect":"Allow"')
