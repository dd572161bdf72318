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

run "challenger_without_a_model" {
  command = plan

  variables {
    challenger = { location = "" }
  }

  expect_failures = [var.challenger]
}

run "challengers_predictions_onto_the_input" {
  command = plan

  variables {
    challenger = {
      location = "s3://sc-models/models/8"
      stream   = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events" }
    }
  }

  expect_failures = [var.challenger]
}

run "challengers_predictions_onto_the_output" {
  command = plan

  variables {
    challenger = {
      location = "s3://sc-models/models/8"
      stream   = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" }
    }
  }

  expect_failures = [var.challenger]
}

run "threshold_below_zero" {
  command = plan

  variables {
    challenger = { location = "s3://sc-models/models/8", threshold = -1 }
  }

  expect_failures = [var.challenger]
}

run "challenger_that_is_not_waited_for" {
  command = plan

  variables {
    challenger = { location = "s3://sc-models/models/8", timeout_ms = 0 }
  }

  expect_failures = [var.challenger]
}

run "challenger_that_outlasts_the_function" {
  command = plan

  variables {
    challenger = { location = "s3://sc-models/models/8", timeout_ms = 60000 }
  }

  expect_failures = [var.challenger]
}

run "setting_of_the_challenger_beside_its_variable" {
  command = plan

  variables {
    environment = { CHALLENGER_THRESHOLD = "1" }
  }

  expect_failures = [var.environment]
}

run "setting_that_follows_from_variables" {
  command = plan

  variables {
    environment = { DEAD_LETTER_BUCKET = "another" }
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
