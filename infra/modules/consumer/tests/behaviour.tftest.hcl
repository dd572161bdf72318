# What is made of good settings. The policy is evaluated elsewhere (infra/tests/policies.py); here stands what it rests on.

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
  name          = "sc-test-rides"
  account       = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri     = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  input_stream  = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", shards = 4, retention_hours = 24 }
  output_stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" }
  dead_letters  = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "dead-letters/rides" }
}

run "a_failed_batch_comes_again_is_split_and_ends_in_the_bucket" {
  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "Without the response type every failure is a silent success."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
    error_message = "Without bisecting, one bad record fails its whole batch."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == 10 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 86400
    error_message = "Retries and age are finite by default."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::sc-failures"
    error_message = "What is given up goes to the failures bucket."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.metrics_config[0].metrics == toset(["EventCount"])
    error_message = "The alarms on dropped records need the mapping's metrics."
  }
}

run "the_mapping_invokes_the_alias_and_the_alias_the_newest_version" {
  assert {
    condition     = aws_lambda_event_source_mapping.this.function_name == module.function.alias_arn && output.live_version == "8"
    error_message = "A mapping on the function itself could not be rolled back."
  }
}

run "settings_follow_from_variables" {
  variables {
    model       = { location = "s3://sc-models/models/7", digest = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }
    environment = { PUBLISH_CONCURRENCY = "8" }
  }

  assert {
    condition = module.function.settings == tomap({
      PREDICTIONS_STREAM_NAME      = "ride_predictions"
      MODEL_LOCATION               = "s3://sc-models/models/7"
      MODEL_DIGEST                 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
      DEAD_LETTER_BUCKET           = "sc-failures"
      DEAD_LETTER_PREFIX           = "dead-letters/rides"
      POWERTOOLS_SERVICE_NAME      = "sc-test-rides"
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_LOG_LEVEL         = "INFO"
      PUBLISH_CONCURRENCY          = "8"
    })
    error_message = "The handler reads where to read, write and fail from its environment."
  }
}

run "a_challenger_gets_its_settings" {
  variables {
    challenger = {
      location   = "s3://sc-models/models/8"
      digest     = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
      threshold  = 0.5
      timeout_ms = 1500
      stream     = { name = "challenges", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/challenges" }
    }
  }

  assert {
    condition = { for name, value in module.function.settings : name => value if startswith(name, "CHALLENGER_") } == {
      CHALLENGER_LOCATION   = "s3://sc-models/models/8"
      CHALLENGER_DIGEST     = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
      CHALLENGER_STREAM     = "arn:aws:kinesis:eu-west-1:123456789012:stream/challenges"
      CHALLENGER_THRESHOLD  = "0.5"
      CHALLENGER_TIMEOUT_MS = "1500"
    }
    error_message = "The handler reads what it asks a second model from its environment."
  }

  assert {
    condition     = length(distinct(jsondecode(module.function.policies["consume"]).Statement[*].Sid)) == length(jsondecode(module.function.policies["consume"]).Statement)
    error_message = "IAM refuses a policy with a Sid twice, and both models are read."
  }
}

run "what_a_challenger_does_not_say_is_left_to_the_handler" {
  variables {
    challenger = { location = "/opt/challenger" }
  }

  assert {
    condition     = { for name, value in module.function.settings : name => value if startswith(name, "CHALLENGER_") } == { CHALLENGER_LOCATION = "/opt/challenger" }
    error_message = "Defaults stand in the handler alone."
  }
}

run "enhanced_fan_out_reads_through_the_stream_consumer" {
  variables {
    input_stream = {
      name            = "ride_events"
      arn             = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events"
      shards          = 4
      retention_hours = 24
      fan_out         = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events/consumer/rides:1700000000" }
    }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.event_source_arn == "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events/consumer/rides:1700000000"
    error_message = "The mapping subscribes to the fan-out consumer."
  }

  assert {
    condition = jsondecode(module.function.policies["subscribe"]).Statement == [{
      Sid      = "SubscribeToInput"
      Effect   = "Allow"
      Action   = ["kinesis:SubscribeToShard"]
      Resource = ["arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events/consumer/rides:1700000000"]
    }]
    error_message = "The role may subscribe to this fan-out consumer and no other."
  }
}

run "a_filter_reaches_the_mapping" {
  variables {
    mapping = { filter_patterns = ["{\"data\":{\"ride\":{\"PULocationID\":[130]}}}"] }
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.this.filter_criteria).filter).pattern == "{\"data\":{\"ride\":{\"PULocationID\":[130]}}}"
    error_message = "The pattern is passed on as it is."
  }
}

run "order_does_not_matter_to_everybody" {
  variables {
    ordered = false
    input_stream = {
      name                = "ride_events"
      arn                 = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events"
      shards              = 4
      retention_hours     = 24
      record_distribution = "AUTO"
    }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.enabled
    error_message = "A consumer that does not need order may read a stream that has none."
  }
}
