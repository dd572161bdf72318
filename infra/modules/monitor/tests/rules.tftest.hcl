# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name         = "sc-test-monitor"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  input_stream = { name = "rides", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides", shards = 4 }
  profiles     = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures" }
  topic_arn    = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "name_that_leaves_its_schedule_no_room" {
  command = plan

  variables {
    name = "sc-test-monitor-with-a-name-that-is-far-too-long-for-its-schedule"
  }

  expect_failures = [var.name]
}

run "profiles_anywhere" {
  command = plan

  variables {
    profiles = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "" }
  }

  expect_failures = [var.profiles]
}

run "no_room_for_the_judgement" {
  command = plan

  variables {
    function = { reserved_concurrency = 4 }
  }

  expect_failures = [var.function]
}

run "records_too_old_for_their_retries" {
  command = plan

  variables {
    mapping = { maximum_record_age_seconds = 900 }
  }

  expect_failures = [var.function]
}

run "window_beyond_lambdas" {
  command = plan

  variables {
    mapping = { window_seconds = 901 }
  }

  expect_failures = [var.mapping]
}

run "batch_beyond_lambdas" {
  command = plan

  variables {
    mapping = { batch_size = 10001 }
  }

  expect_failures = [var.mapping]
}

run "batch_that_waits_too_long" {
  command = plan

  variables {
    mapping = { batching_seconds = 301 }
  }

  expect_failures = [var.mapping]
}

run "retries_without_end" {
  command = plan

  variables {
    mapping = { maximum_retry_attempts = -1 }
  }

  expect_failures = [var.mapping]
}

run "age_without_end" {
  command = plan

  variables {
    mapping = { maximum_record_age_seconds = 604801 }
  }

  expect_failures = [var.mapping]
}

run "start_at_a_time" {
  command = plan

  variables {
    mapping = { starting_position = "AT_TIMESTAMP" }
  }

  expect_failures = [var.mapping]
}

run "judgement_each_hour" {
  command = plan

  variables {
    judgement = { schedule = "cron(30 * * * ? *)" }
  }

  expect_failures = [var.judgement]
}
