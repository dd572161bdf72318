# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/sc:live/invocations" }
  }
}

variables {
  name        = "sc-test-quality-rides"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc-doors@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  bucket      = { name = "sc-archive", arn = "arn:aws:s3:::sc-archive", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  archives    = { predictions = "predictions/rides", outcomes = "outcomes", events = "events" }
  results     = "quality/rides"
  group       = "PULocationID"
  champion    = { uri = "s3://sc-models/models/ride-duration/champion.json" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "the_command_has_its_options_from_the_environment" {
  assert {
    condition = { for name, value in module.function.settings : name => value if startswith(name, "QUALITY_") } == {
      QUALITY_PREDICTIONS = "s3://sc-archive/predictions/rides"
      QUALITY_OUTCOMES    = "s3://sc-archive/outcomes"
      QUALITY_EVENTS      = "s3://sc-archive/events"
      QUALITY_GROUP       = "PULocationID"
      QUALITY_RESULTS     = "s3://sc-archive/quality/rides"
      QUALITY_WAIT        = "24h"
      QUALITY_CHAMPION    = "s3://sc-models/models/ride-duration/champion.json"
    }
    error_message = "Each option of monitor quality has a variable."
  }

  assert {
    condition     = module.function.settings.POWERTOOLS_SERVICE_NAME == "sc-test-quality-rides" && module.alarms.watched["quality/rings"] == "StreamConsumer QualityRings {\"service\":\"sc-test-quality-rides\"}"
    error_message = "The alarm watches the metrics that the function emits."
  }
}

run "once_a_day_after_the_outcomes_are_in_time" {
  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression == "cron(30 1 * * ? *)" && aws_scheduler_schedule.this.target[0].arn == "arn:aws:lambda:eu-west-1:123456789012:function:sc:live" && aws_scheduler_schedule.this.target[0].input == "{}"
    error_message = "The schedule invokes the alias."
  }

  assert {
    condition     = module.alarms.watched["quality/silent"] == "StreamConsumer QualityJudged {\"service\":\"sc-test-quality-rides\"}"
    error_message = "A run that did not start, or did not end, judges nothing."
  }
}

run "a_registered_error_stands_in_for_a_champion_and_events_are_for_groups_alone" {
  variables {
    group      = null
    champion   = null
    registered = { rmse = 6.5 }
    function   = { memory_mb = 3008 }
  }

  assert {
    condition     = module.function.settings.QUALITY_RMSE == "6.5" && length(setintersection(keys(module.function.settings), ["QUALITY_CHAMPION", "QUALITY_EVENTS", "QUALITY_GROUP", "QUALITY_ACCURACY"])) == 0
    error_message = "What is not asked for is not given."
  }

  assert {
    condition     = length([for statement in local.statements : statement if strcontains(statement.Sid, "Champion")]) == 0 && local.archives == ["arn:aws:s3:::sc-archive/outcomes/", "arn:aws:s3:::sc-archive/predictions/rides/"]
    error_message = "Nor may it be read."
  }
}
