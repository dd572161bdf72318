"""
What the emulator holds, asked with botocore: after an apply, what Terraform cannot read back; after a destroy, nothing.

Also the drift that a second plan may show, attribute by attribute, each with its reason.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3

from infra.tests.terraform import ACCOUNT, CheckFailed

REGION = "eu-west-1"

_UNREADABLE = (
    "the emulator's answer in the protocol that provider 5 speaks leaves it out; botocore reads it back instead"
)
_OF_EVERY_ALARM = ("actions_enabled", "alarm_actions", "alarm_description", "ok_actions")
_OF_METRIC_ALARMS = ("dimensions", "extended_statistic", "period", "statistic", "treat_missing_data")
_OF_COMPOSITE_ALARMS = ("arn", "id", "insufficient_data_actions", "tags")  # it is replaced, for want of the others
TOLERATED: Mapping[str, Mapping[str, str]] = {
    "aws_cloudwatch_metric_alarm": dict.fromkeys((*_OF_EVERY_ALARM, *_OF_METRIC_ALARMS), _UNREADABLE),
    "aws_cloudwatch_composite_alarm": dict.fromkeys((*_OF_EVERY_ALARM, *_OF_COMPOSITE_ALARMS), _UNREADABLE),
    "aws_kinesis_stream": {"tags_all": "the emulator keeps no tags that CreateStream brings"},
    "aws_lambda_event_source_mapping": {"metrics_config": "the emulator does not keep it"},
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


_FIELDS = {
    "AlarmDescription": "alarm_description",
    "Namespace": "namespace",
    "MetricName": "metric_name",
    "Statistic": "statistic",
    "ExtendedStatistic": "extended_statistic",
    "Period": "period",
    "EvaluationPeriods": "evaluation_periods",
    "DatapointsToAlarm": "datapoints_to_alarm",
    "Threshold": "threshold",
    "ComparisonOperator": "comparison_operator",
    "TreatMissingData": "treat_missing_data",
    "AlarmRule": "alarm_rule",
}


def alarms_as_planned(cloudwatch: Any, planned: Iterable[Mapping[str, Any]], topic: str) -> int:
    """
    Return how many alarms hold what Terraform was told of them.

    Raises:
        CheckFailed: One holds something else.
    """
    kinds = ["MetricAlarm", "CompositeAlarm"]
    answer = cloudwatch.describe_alarms(AlarmTypes=kinds, MaxRecords=100)
    held = {alarm["AlarmName"]: alarm for alarm in (*answer["MetricAlarms"], *answer["CompositeAlarms"])}
    count = 0
    for wanted in planned:
        alarm = held[wanted["alarm_name"]]
        seen: dict[str, Any] = {ours: alarm.get(theirs) for theirs, ours in _FIELDS.items()}
        seen["dimensions"] = {item["Name"]: item["Value"] for item in alarm.get("Dimensions", ())}
        seen["alarm_actions"] = alarm["AlarmActions"]
        expected = {"alarm_actions": [topic], **wanted}
        wrong = {name: value for name, value in seen.items() if value != (expected.get(name, value) or value)}
        if wrong:
            raise CheckFailed(f"the alarm {wanted['alarm_name']} holds {wrong}")
        count += 1
    return count


def leftovers(aws: Callable[[str], Any]) -> list[str]:
    """Return the names of everything that the account still holds, of all the kinds that infra/ makes."""
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
        "event rules": aws("events").list_rules()["Rules"],
        "APIs": aws("apigatewayv2").get_apis()["Items"],
        "log groups": aws("logs").describe_log_groups()["logGroups"],
        "topics": aws("sns").list_topics()["Topics"],
        "alarms": aws("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": aws("cloudwatch").list_dashboards()["DashboardEntries"],
    }
    return [f"{len(items)} {kind}" for kind, items in held.items() if items]
