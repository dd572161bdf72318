# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name         = "sc-test"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  input_stream = { name = "ride_events", shards = 4 }
  consumers    = { rides = { function_name = "sc-test-rides", alias = "live", mapping_id = "11111111-2222-3333-4444-555555555555", output_stream_name = "ride_predictions", memory_mb = 1769, timeout_seconds = 60, maximum_record_age_seconds = 86400 } }
}

run "name_with_a_space" {
  command = plan

  variables {
    name = "sc test"
  }

  expect_failures = [var.name]
}

run "email_without_at" {
  command = plan

  variables {
    emails = ["somebody"]
  }

  expect_failures = [var.emails]
}

run "alarm_after_records_are_given_up" {
  command = plan

  variables {
    consumers = { rides = { function_name = "sc-test-rides", alias = "live", mapping_id = "11111111-2222-3333-4444-555555555555", output_stream_name = "ride_predictions", memory_mb = 1769, timeout_seconds = 60, maximum_record_age_seconds = 86400, alarms = { iterator_age_seconds = 86400 } } }
  }

  expect_failures = [var.consumers]
}

run "duration_beyond_the_timeout" {
  command = plan

  variables {
    consumers = { rides = { function_name = "sc-test-rides", alias = "live", mapping_id = "11111111-2222-3333-4444-555555555555", output_stream_name = "ride_predictions", memory_mb = 1769, timeout_seconds = 60, maximum_record_age_seconds = 86400, alarms = { duration_share = 1 } } }
  }

  expect_failures = [var.consumers]
}

run "fewer_than_no_dead_letters" {
  command = plan

  variables {
    consumers = { rides = { function_name = "sc-test-rides", alias = "live", mapping_id = "11111111-2222-3333-4444-555555555555", output_stream_name = "ride_predictions", memory_mb = 1769, timeout_seconds = 60, maximum_record_age_seconds = 86400, alarms = { dead_letters = -1 } } }
  }

  expect_failures = [var.consumers]
}

run "period_that_cloudwatch_has_not" {
  command = plan

  variables {
    consumers = { rides = { function_name = "sc-test-rides", alias = "live", mapping_id = "11111111-2222-3333-4444-555555555555", output_stream_name = "ride_predictions", memory_mb = 1769, timeout_seconds = 60, maximum_record_age_seconds = 86400, alarms = { no_data_minutes = 7 } } }
  }

  expect_failures = [var.consumers]
}
