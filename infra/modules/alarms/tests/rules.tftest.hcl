# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
  groups    = { rides = "sc-test-rides" }
  alarms = {
    "rides/errors" = { severity = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = {}, threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching", reason = "Why.", runbook = "What." }
    "rides/slow"   = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
  }
}

run "alarm_of_no_group" {
  command = plan

  variables {
    alarms = {
      "rides/errors" = { severity = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = {}, threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching", reason = "Why.", runbook = "What." }
      "rides/slow"   = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
      "others/slow"  = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
    }
  }

  expect_failures = [var.alarms]
}

run "alarm_on_a_metric_and_an_expression" {
  command = plan

  variables {
    alarms = {
      "rides/errors" = { severity = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = {}, expression = "errors", over = { errors = { namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = {} } }, threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching", reason = "Why.", runbook = "What." }
      "rides/slow"   = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
    }
  }

  expect_failures = [var.alarms]
}

run "group_with_nothing_to_tell" {
  command = plan

  variables {
    groups = { rides = "sc-test-rides", others = "sc-test-others" }
  }

  expect_failures = [var.alarms]
}

run "severity_that_nobody_is_told_of" {
  command = plan

  variables {
    alarms = {
      "rides/loud" = { severity = "info", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
      "rides/slow" = { severity = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = {}, threshold = 9, period = 300, periods = 3, breaching = 2, missing = "notBreaching", reason = "Why.", runbook = "What." }
    }
  }

  expect_failures = [var.alarms]
}
