# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live" }
  }
}

variables {
  name         = "sc-test-monitor"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  input_stream = { name = "rides", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides", shards = 4, kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  model        = { location = "s3://sc-models/models/ride-duration/7", digest = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd" }
  profiles     = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures" }
  topic_arn    = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "it_is_the_consumers_image_with_another_command_and_name" {
  variables {
    environment = { ENTITY_FIELD = "trip" }
    function    = { snap_start = true }
  }

  assert {
    condition = module.function.settings == tomap({
      ENTITY_FIELD                 = "trip"
      MODEL_DIGEST                 = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
      MODEL_LOCATION               = "s3://sc-models/models/ride-duration/7"
      POWERTOOLS_LOG_LEVEL         = "INFO"
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_SERVICE_NAME      = "sc-test-monitor"
      PROFILE_BUCKET               = "sc-failures"
      PROFILE_PREFIX               = "profiles"
    })
    error_message = "It reads events as the consumer does, serves its model, and its metrics are not the consumer's."
  }

  assert {
    condition     = output.profiles == "s3://sc-failures/profiles" && output.function_name == "sc-test-monitor"
    error_message = "Operators are told where the profiles are."
  }
}

run "its_mapping_has_a_window_and_ends" {
  assert {
    condition     = aws_lambda_event_source_mapping.this.tumbling_window_in_seconds == 900 && aws_lambda_event_source_mapping.this.parallelization_factor == 1 && aws_lambda_event_source_mapping.this.event_source_arn == "arn:aws:kinesis:eu-west-1:123456789012:stream/rides"
    error_message = "A window of a quarter of an hour on the input stream; a shard has one state."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == 2 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 3600 && aws_lambda_event_source_mapping.this.bisect_batch_on_function_error == false
    error_message = "After three tries, or an hour, the shard goes on; splits would not count as tries."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == null && length(aws_lambda_event_source_mapping.this.destination_config) == 0
    error_message = "It reports no record as failed, and what it gives up the consumers have."
  }
}

run "a_day_is_judged_when_it_is_over" {
  assert {
    condition     = aws_scheduler_schedule.judgement.target[0].input == "{\"judge\":\"yesterday\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}"
    error_message = "Scheduler replaces its word only where it is written as it is."
  }

  assert {
    condition     = aws_scheduler_schedule.judgement.schedule_expression == "cron(30 1 * * ? *)" && aws_scheduler_schedule.judgement.schedule_expression_timezone == "UTC" && aws_scheduler_schedule.judgement.state == "ENABLED" && aws_scheduler_schedule.judgement.target[0].arn == module.function.alias_arn
    error_message = "Once a day in UTC, after the last window of the day before is closed."
  }
}

run "it_pages_nobody" {
  assert {
    condition     = [for name in output.composite_alarms : name] == ["sc-test-monitor-ticket"] && alltrue([for alarm in local.alarms : alarm.period * alarm.periods <= 604800])
    error_message = "No event is late or lost where the monitor fails, and CloudWatch looks back seven days at most."
  }

  assert {
    condition     = local.alarms["drift-week"].dimensions == { service = "sc-test-monitor", horizon = "week" } && local.alarms["drift-day"].periods == 25
    error_message = "A judgement rings until the next one."
  }

  assert {
    condition     = local.alarms.errors.threshold == 2 && local.alarms.iterator-age.threshold == 1800000
    error_message = "A try that succeeds later is no fault, and half of the age leaves time to mend it."
  }
}

run "it_can_rest" {
  variables {
    mapping   = { enabled = false }
    judgement = { enabled = false }
  }

  assert {
    condition     = !contains(keys(local.told), "monitor/unjudged") && length(local.told) == length(local.alarms) - 1
    error_message = "Nobody is told that nobody judges where nobody should."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.enabled == false && aws_scheduler_schedule.judgement.state == "DISABLED"
    error_message = "Disabled, it reads and judges nothing."
  }
}
