mock_provider "aws" {}

variables {
  topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
  groups    = { rides = "sc-test-rides" }
  alarms = {
    "rides/errors" = { severity = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = {}, threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching", reason = "Why.", runbook = "What." }
    "rides/silent" = { severity = "page", namespace = "AWS/Lambda", metric = "Invocations", statistic = "Sum", dimensions = {}, threshold = 1, period = 900, periods = 1, breaching = 1, missing = "breaching", reason = "Why.", runbook = "What." }
    "rides/late"   = { severity = "page", expression = "IF(sent > 0 AND seen < 1, 1, 0)", over = { sent = { namespace = "A", metric = "Sent", statistic = "Sum", dimensions = {} }, seen = { namespace = "B", metric = "Seen", statistic = "Sum", dimensions = {} } }, threshold = 0, period = 60, periods = 5, breaching = 5, missing = "notBreaching", reason = "Why.", runbook = "What." }
    "rides/slow"   = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
  }
}

run "each_incident_is_told_once_and_to_somebody" {
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == null])
    error_message = "The symptoms tell nobody; their composite alarm does."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:sc-alarms"])])
    error_message = "Composite alarms go to the topic."
  }

  assert {
    condition = { for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_name => alarm.alarm_rule } == {
      sc-test-rides-page   = "ALARM(\"sc-test-rides-errors\") OR ALARM(\"sc-test-rides-late\") OR ALARM(\"sc-test-rides-silent\")"
      sc-test-rides-ticket = "ALARM(\"sc-test-rides-slow\")"
    }
    error_message = "Every alarm is in the composite alarm of its group and severity."
  }
}

run "a_group_without_anything_to_page_about_pages_nobody" {
  variables {
    alarms = {
      "rides/slow" = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
    }
  }

  assert {
    condition     = [for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_name] == ["sc-test-rides-ticket"]
    error_message = "A composite alarm over nothing is refused by AWS."
  }
}

run "an_expression_is_the_one_series_that_alarms" {
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.this["rides/late"].metric_query : query.expression if query.return_data == true] == ["IF(sent > 0 AND seen < 1, 1, 0)"]
    error_message = "CloudWatch alarms on one series of them all."
  }

  assert {
    condition = toset(flatten([for query in aws_cloudwatch_metric_alarm.this["rides/late"].metric_query : [
      for metric in query.metric : "${query.id}: ${metric.namespace} ${metric.metric_name} ${metric.stat} ${metric.period}"
    ]])) == toset(["sent: A Sent Sum 60", "seen: B Seen Sum 60"])
    error_message = "Each metric is read by the alarm's own period."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rides/late"].period == null && aws_cloudwatch_metric_alarm.this["rides/late"].metric_name == null
    error_message = "CloudWatch refuses a period or metric beside queries."
  }
}

run "an_alarm_compares_as_it_says" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rides/silent"].comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.this["rides/errors"].comparison_operator == "GreaterThanThreshold"
    error_message = "Where silence is wrong, too little is wrong; everywhere else too much."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rides/slow"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.this["rides/slow"].statistic == null
    error_message = "CloudWatch takes a percentile in a place of its own."
  }
}
