"""
What the emulator is known for: the drift that a second plan may show, attribute by attribute, each with its reason.

After a destroy, asked with botocore, it must hold what it held before.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import boto3

from infra.tests.terraform import ACCOUNT, CheckFailed

REGION = "eu-west-1"

TOLERATED: Mapping[str, Mapping[str, str]] = {
    "aws_kinesis_firehose_delivery_stream": {"extended_s3_configuration": "the emulator does not tell its time zone"},
    "aws_kinesis_stream": {"tags_all": "the emulator keeps no tags that CreateStream brings"},
    "aws_lambda_event_source_mapping": {
        "metrics_config": "the emulator does not keep it",
        "tumbling_window_in_seconds": "the emulator does not keep it",
    },
}


def session() -> boto3.Session:
    """Return a session of the account in the example tfvars: emulators take an access key of twelve digits for it."""
    return boto3.Session(ACCOUNT, "test", region_name=REGION)


def drift(plan: Mapping[str, Any]) -> list[str]:
    """
    Return what a second *plan* would change, all of it tolerated.

    Raises:
        CheckFailed: Names what is not.
    """
    seen, faults = [], []
    for change in plan["resource_changes"]:
        if change["change"]["actions"] == ["no-op"]:
            continue
        before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
        unknown = change["change"]["after_unknown"]
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)} | {*unknown} - {*before}
        if surplus := changed - {*TOLERATED.get(change["type"], ())}:
            faults.append(f"{change['address']}: {', '.join(sorted(surplus))}")
        seen.append(change["type"])
    if faults:
        raise CheckFailed("a second plan would change:\n" + "\n".join(faults))
    return sorted(set(seen))


def holdings(aws: Callable[[str], Any]) -> Counter[str]:
    """Return how much the account holds of each of the kinds that infra/ makes."""
    held = {
        "streams": aws("kinesis").list_streams()["StreamNames"],
        "functions": aws("lambda").list_functions()["Functions"],
        "mappings": aws("lambda").list_event_source_mappings()["EventSourceMappings"],
        "roles": aws("iam").list_roles()["Roles"],
        "buckets": aws("s3").list_buckets()["Buckets"],
        "repositories": aws("ecr").describe_repositories()["repositories"],
        "key aliases": [a for a in aws("kms").list_aliases()["Aliases"] if not a["AliasName"].startswith("alias/aws/")],
        "queues": aws("sqs").list_queues().get("QueueUrls", []),
        "clusters": aws("ecs").list_clusters()["clusterArns"],
        "task definitions": aws("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"],
        "schedules": aws("scheduler").list_schedules()["Schedules"],
        "delivery streams": aws("firehose").list_delivery_streams()["DeliveryStreamNames"],
        "event rules": aws("events").list_rules()["Rules"],
        "connections": aws("events").list_connections()["Connections"],
        "API destinations": aws("events").list_api_destinations()["ApiDestinations"],
        "APIs": aws("apigatewayv2").get_apis()["Items"],
        "log groups": aws("logs").describe_log_groups()["logGroups"],
        "topics": aws("sns").list_topics()["Topics"],
        "dashboards": aws("cloudwatch").list_dashboards()["DashboardEntries"],
    }
    return Counter({kind: len(items) for kind, items in held.items()})
