# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-archive"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  bucket      = { arn = "arn:aws:s3:::sc-archive", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
  streams     = { events = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", retention_hours = 24 } }
}

run "folder_of_errors" {
  command = plan

  variables {
    streams = { "errors/mine" = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", retention_hours = 24 } }
  }

  expect_failures = [var.streams]
}

run "folder_too_long_for_a_delivery_stream" {
  command = plan

  variables {
    streams = { "a-folder-whose-name-is-long-enough-for-anybody-and-more" = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", retention_hours = 24 } }
  }

  expect_failures = [var.streams]
}

run "folders_of_one_name" {
  command = plan

  variables {
    streams = {
      "rides/green" = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", retention_hours = 24 }
      "rides-green" = { name = "ride_more", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_more", retention_hours = 24 }
    }
  }

  expect_failures = [var.streams]
}

run "objects_of_every_second" {
  command = plan

  variables {
    buffer = { seconds = 1 }
  }

  expect_failures = [var.buffer]
}
