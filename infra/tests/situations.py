"""
A deployed consumer, and the situations it may get into: a resource, and what AWS says of the request.

The rule: what a consumer is about is read off its function and mapping, not off the policies that are judged by it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.state import Resource


@dataclass(frozen=True, slots=True)
class Key:
    """The key of the system: the roles' policies count only as far as its own policy lets them."""

    arn: str
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """What a consumer is about, read off its function and mapping: not off the policies that are judged by it."""

    name: str
    input_arn: str
    fan_out_arn: str | None
    output_name: str
    failures_bucket: str
    dead_letter_prefix: str
    model_location: str | None
    challenger_location: str | None
    challenger_stream_arn: str | None
    in_vpc: bool
    insights: bool = False
    key: Key
    policies: Mapping[str, str]

    @property
    def part(self) -> str:
        return "consumer"

    @property
    def region(self) -> str:
        return self.key.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.key.arn.split(":")[4]

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.name}"

    def situations(self) -> list[dict[str, Any]]:
        """Return resources and request contexts, by the names that operations.json uses; other names allow nothing."""
        network = interfaces(self.name, self.account, self.region, in_vpc=self.in_vpc)
        return [*self._of_streams(), *self._of_buckets(), *self._of_keys(), *self._of_others(), *network]

    def _of_streams(self) -> Iterable[dict[str, Any]]:
        stream = f"arn:aws:kinesis:{self.region}:{self.account}:stream"
        yield situation("input stream", self.input_arn)
        yield situation("output stream", f"{stream}/{self.output_name}")
        if self.challenger_stream_arn:
            yield situation("challenger's stream", self.challenger_stream_arn)
        yield situation("another stream", f"{stream}/payments")
        yield situation("a stream with a longer name", f"{self.input_arn}_2")
        yield situation("another's fan-out consumer", f"{self.input_arn}/consumer/other:1700000000")
        if self.fan_out_arn:
            yield situation("fan-out consumer", self.fan_out_arn)

    def _of_buckets(self) -> Iterable[dict[str, Any]]:
        failures = f"arn:aws:s3:::{self.failures_bucket}"
        yield situation("failures bucket", failures)
        yield situation(
            "dead letter", f"{failures}/{self.dead_letter_prefix}/ride_events/shardId-000000000000/496.jsonl"
        )
        yield situation("on-failure document", f"{failures}/aws/lambda/1234/shardId-000000000000/2026/11/21/document")
        yield situation(
            "another consumer's dead letter", f"{failures}/{self.dead_letter_prefix}-2/ride_events/s/1.jsonl"
        )
        yield situation("any other object of the failures bucket", f"{failures}/reports/1.csv")
        yield situation("another bucket", "arn:aws:s3:::payroll")
        yield situation("an object of another bucket", "arn:aws:s3:::payroll/dead-letters/1.jsonl")
        for model, bucket, folder in self._models():
            yield situation(f"{model} folder", bucket, {"s3:prefix": f"{folder}/"})
            yield situation(f"a folder beside the {model}", bucket, {"s3:prefix": f"{folder}0/"})
            yield situation(f"the whole {model} bucket", bucket)
            yield situation(f"{model} file", f"{bucket}/{folder}/MLmodel")
            yield situation("training data", f"{bucket}/training/rides.parquet")

    def _models(self) -> Iterable[tuple[str, str, str]]:
        """Yield what a model on S3 is to the consumer, its bucket's ARN and its folder."""
        for model, location in {"model": self.model_location, "challenger": self.challenger_location}.items():
            if found := re.fullmatch(r"s3://([^/]+)/(.+?)(?:/champion[.]json)?", location or ""):
                yield model, f"arn:aws:s3:::{found[1]}", found[2]

    def _of_keys(self) -> Iterable[dict[str, Any]]:
        def use(kind: str, service: str, context: str, of: str, key: str = self.key.arn) -> dict[str, Any]:
            through = f"{service}.{self.region}.amazonaws.com"
            request = {"kms:ViaService": through, f"kms:EncryptionContext:{context}": of}
            return situation(kind, key, request) | {"resourcePolicy": self.key.policy}

        stream = f"arn:aws:kinesis:{self.region}:{self.account}:stream"
        failures = f"arn:aws:s3:::{self.failures_bucket}"
        yield use("key for the input stream", "kinesis", "aws:kinesis:arn", self.input_arn)
        yield use("key for the output stream", "kinesis", "aws:kinesis:arn", f"{stream}/{self.output_name}")
        yield use("key for the failures bucket", "s3", "aws:s3:arn", failures)
        if self.challenger_stream_arn:
            yield use("key for the challenger's stream", "kinesis", "aws:kinesis:arn", self.challenger_stream_arn)
        for model, bucket, folder in self._models():
            yield use(f"key for the {model} bucket", "s3", "aws:s3:arn", bucket)
            yield use(f"key for a {model} file", "s3", "aws:s3:arn", f"{bucket}/{folder}/MLmodel")
            yield use("key for training data", "s3", "aws:s3:arn", f"{bucket}/training/rides.parquet")
        yield use("key for another stream", "kinesis", "aws:kinesis:arn", f"{stream}/payments")
        yield use("key for the input stream, through S3", "s3", "aws:kinesis:arn", self.input_arn)
        yield use("another key", "kinesis", "aws:kinesis:arn", self.input_arn, f"{self.key.arn[:-4]}0000")
        yield situation("key, directly", self.key.arn) | {"resourcePolicy": self.key.policy}

    def _of_others(self) -> Iterable[dict[str, Any]]:
        logs = f"arn:aws:logs:{self.region}:{self.account}:log-group:/aws/lambda/{self.name}"
        yield situation("log stream", f"{logs}:log-stream:2026/11/21/[1]abc")
        yield situation("another function's log stream", f"{logs}-2:log-stream:2026/11/21/[1]abc")
        insights = f"arn:aws:logs:{self.region}:{self.account}:log-group:/aws/lambda-insights"
        word = "" if self.insights else ", of nobody"
        yield situation(f"log group of Lambda Insights{word}", insights)
        its_stream = f"log stream of Lambda Insights{word}"
        yield situation(its_stream, f"{insights}:log-stream:{self.name}", also=["log group of Lambda Insights"])
        yield situation("itself", f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}")
        yield situation("its role", self.role)
        yield situation("a queue", f"arn:aws:sqs:{self.region}:{self.account}:jobs")
        yield situation("a secret", f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:password-a1b2c3")


def interfaces(function: str, account: str, region: str, *, in_vpc: bool) -> Iterable[dict[str, Any]]:
    """Yield what a function may be about in a VPC; outside of one nothing of operations.json has these names."""
    code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:{region}:{account}:function:{function}"}
    parts = {
        "network interface": "network-interface/eni-1",
        "subnet": "subnet/subnet-1",
        "security group": "security-group/sg-1",
    }
    arns = {kind: f"arn:aws:ec2:{region}:{account}:{part}" for kind, part in parts.items()} | {"anything": "*"}
    for kind, arn in arns.items():
        yield situation(f"{kind}, in a VPC" if in_vpc else kind, arn)
        if in_vpc:
            yield situation(f"{kind}, by the function's code", arn, code)


def situation(
    kind: str, resource: str, context: Mapping[str, str] | None = None, also: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Return a resource, by the name that operations.json uses, and what AWS says of a request for it.

    It may *also* be one of other kinds: what is listed for those is allowed too.
    """
    return {"kind": kind, "resource": resource, "context": dict(context or {}), "also": list(also)}


def consumers(found: Iterable[Resource], key: Key) -> list[Consumer]:
    """Read the consumers off a plan or a state; one whose policies are not wholly known yet is left out."""
    by_module: dict[str, dict[str, list[Resource]]] = {}
    for resource in found:
        module = resource.address.partition("aws_")[0].removesuffix("module.function.")
        by_module.setdefault(module, {}).setdefault(resource.kind, []).append(resource)
    known = []
    for kinds in by_module.values():
        policies = {item.address: item.values.get("policy") for item in kinds.get("aws_iam_role_policy", ())}
        if "aws_lambda_event_source_mapping" not in kinds or not all(policies.values()):
            continue
        [function], [mapping] = kinds["aws_lambda_function"], kinds["aws_lambda_event_source_mapping"]
        settings = function.values["environment"][0]["variables"]
        if "PREDICTIONS_STREAM_NAME" not in settings:  # the monitor's
            continue
        source = mapping.values["event_source_arn"]
        known.append(
            Consumer(
                name=function.values["function_name"],
                input_arn=source.partition("/consumer/")[0],
                fan_out_arn=source if "/consumer/" in source else None,
                output_name=settings["PREDICTIONS_STREAM_NAME"],
                failures_bucket=settings["DEAD_LETTER_BUCKET"],
                dead_letter_prefix=settings["DEAD_LETTER_PREFIX"],
                model_location=settings.get("MODEL_LOCATION"),
                challenger_location=settings.get("CHALLENGER_LOCATION"),
                challenger_stream_arn=settings.get("CHALLENGER_STREAM"),
                in_vpc=bool(function.values["vpc_config"]),
                insights="LAMBDA_INSIGHTS_LOG_LEVEL" in settings,
                key=key,
                policies={address: policy for address, policy in policies.items() if policy},
            )
        )
    return known
