# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name          = "sc-test-rides"
  account       = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri     = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  input_stream  = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", shards = 4, retention_hours = 24 }
  output_stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" }
  dead_letters  = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "dead-letters/rides" }
}

run "name_too_long" {
  command = plan

  variables {
    name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
  }

  expect_failures = [var.name]
}

run "image_by_tag" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc:latest"
  }

  expect_failures = [var.image_uri]
}

run "unknown_architecture" {
  command = plan

  variables {
    architecture = "arm"
  }

  expect_failures = [var.architecture]
}

run "too_little_memory" {
  command = plan

  variables {
    function = { memory_mb = 64 }
  }

  expect_failures = [var.function]
}

run "too_much_memory" {
  command = plan

  variables {
    function = { memory_mb = 10241 }
  }

  expect_failures = [var.function]
}

run "timeout_beyond_lambda" {
  command = plan

  variables {
    function = { timeout_seconds = 901 }
  }

  expect_failures = [var.function]
}

run "timeout_without_time_to_answer" {
  command = plan

  variables {
    function = { timeout_seconds = 1 }
  }

  expect_failures = [var.function]
}

run "snap_start_with_provisioned_concurrency" {
  command = plan

  variables {
    function = { snap_start = true, provisioned_concurrency = 1 }
  }

  expect_failures = [var.function]
}

run "negative_provisioned_concurrency" {
  command = plan

  variables {
    function = { provisioned_concurrency = -1 }
  }

  expect_failures = [var.function]
}

run "provisioned_beyond_reserved" {
  command = plan

  variables {
    function = { provisioned_concurrency = 9, reserved_concurrency = 8 }
  }

  expect_failures = [var.function]
}

run "reserved_below_shards_times_factor" {
  command = plan

  variables {
    function = { reserved_concurrency = 7 }
    mapping  = { parallelization_factor = 2 }
  }

  expect_failures = [var.function]
}

run "attempts_outlast_the_record" {
  command = plan

  variables {
    function = { timeout_seconds = 60 }
    mapping  = { maximum_retry_attempts = 4, maximum_record_age_seconds = 300 }
  }

  expect_failures = [var.function]
}

run "unknown_log_level" {
  command = plan

  variables {
    function = { log_level = "TRACE" }
  }

  expect_failures = [var.function]
}

run "log_retention_that_cloudwatch_has_not" {
  command = plan

  variables {
    function = { log_retention_days = 31 }
  }

  expect_failures = [var.function]
}

run "order_on_a_stream_without_order" {
  command = plan

  variables {
    ordered      = true
    input_stream = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", shards = 4, retention_hours = 24, record_distribution = "AUTO" }
  }

  expect_failures = [var.ordered]
}

run "empty_batch" {
  command = plan

  variables {
    mapping = { batch_size = 0 }
  }

  expect_failures = [var.mapping]
}

run "batch_beyond_lambda" {
  command = plan

  variables {
    mapping = { batch_size = 10001 }
  }

  expect_failures = [var.mapping]
}

run "window_beyond_lambda" {
  command = plan

  variables {
    mapping = { window_seconds = 301 }
  }

  expect_failures = [var.mapping]
}

run "no_parallelization" {
  command = plan

  variables {
    mapping = { parallelization_factor = 0 }
  }

  expect_failures = [var.mapping]
}

run "factor_beyond_lambda" {
  command = plan

  variables {
    mapping = { parallelization_factor = 11 }
  }

  expect_failures = [var.mapping]
}

run "endless_retries" {
  command = plan

  variables {
    mapping = { maximum_retry_attempts = -1 }
  }

  expect_failures = [var.mapping]
}

run "retries_beyond_lambda" {
  command = plan

  variables {
    mapping = { maximum_retry_attempts = 10001 }
  }

  expect_failures = [var.mapping]
}

run "endless_age" {
  command = plan

  variables {
    mapping  = { maximum_record_age_seconds = -1 }
    function = { timeout_seconds = 2 }
  }

  expect_failures = [var.mapping]
}

run "age_beyond_lambda" {
  command = plan

  variables {
    mapping      = { maximum_record_age_seconds = 604801 }
    input_stream = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", shards = 4, retention_hours = 8760 }
  }

  expect_failures = [var.mapping]
}

run "age_beyond_the_streams_retention" {
  command = plan

  variables {
    mapping = { maximum_record_age_seconds = 86401 }
  }

  expect_failures = [var.mapping]
}

run "unknown_starting_position" {
  command = plan

  variables {
    mapping = { starting_position = "EARLIEST" }
  }

  expect_failures = [var.mapping]
}

run "timestamp_missing" {
  command = plan

  variables {
    mapping = { starting_position = "AT_TIMESTAMP" }
  }

  expect_failures = [var.mapping]
}

run "timestamp_not_asked_for" {
  command = plan

  variables {
    mapping = { starting_timestamp = "2026-11-21T00:00:00Z" }
  }

  expect_failures = [var.mapping]
}

run "six_filters" {
  command = plan

  variables {
    mapping = { filter_patterns = [for n in range(6) : jsonencode({ data = { ride_id = [n] } })] }
  }

  expect_failures = [var.mapping]
}

run "filter_that_is_not_json" {
  command = plan

  variables {
    mapping = { filter_patterns = ["data"] }
  }

  expect_failures = [var.mapping]
}

run "filter_beside_the_data" {
  command = plan

  variables {
    mapping = { filter_patterns = [jsonencode({ partitionKey = ["1"] })] }
  }

  expect_failures = [var.mapping]
}

run "predictions_onto_the_input" {
  command = plan

  variables {
    output_stream = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events" }
  }

  expect_failures = [var.output_stream]
}

run "dead_letter_prefix_with_slash" {
  command = plan

  variables {
    dead_letters = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "/dead-letters" }
  }

  expect_failures = [var.dead_letters]
}

run "model_in_a_registry" {
  command = plan

  variables {
    model = { location = "models:/ride-duration@champion" }
  }

  expect_failures = [var.model]
}

run "model_in_a_whole_bucket" {
  command = plan

  variables {
    model = { location = "s3://sc-models" }
  }

  expect_failures = [var.model]
}

run "model_location_with_a_wildcard" {
  command = plan

  variables {
    model = { location = "s3://sc-models/models/*" }
  }

  expect_failures = [var.model]
}

run "digest_that_is_none" {
  command = plan

  variables {
    model = { digest = "latest" }
  }

  expect_failures = [var.model]
}

run "setting_that_follows_from_variables" {
  command = plan

  variables {
    environment = { DEAD_LETTER_BUCKET = "another" }
  }

  expect_failures = [var.environment]
}

run "setting_of_lambdas_own" {
  command = plan

  variables {
    environment = { AWS_REGION = "eu-west-1" }
  }

  expect_failures = [var.environment]
}

run "test_run_on_a_mapping" {
  command = plan

  variables {
    environment = { TEST_RUN = "True" }
  }

  expect_failures = [var.environment]
}

run "release_of_latest" {
  command = plan

  variables {
    release = { version = "$LATEST" }
  }

  expect_failures = [var.release]
}

run "canary_beyond_everything" {
  command = plan

  variables {
    release = { version = "3", canary_weight = 1.5 }
  }

  expect_failures = [var.release]
}
