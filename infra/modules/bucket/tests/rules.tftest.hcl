# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "name_with_capitals" {
  command = plan

  variables {
    name = "SC-test"
  }

  expect_failures = [var.name]
}

run "expiry_of_nothing" {
  command = plan

  variables {
    expire_days = { "dead-letters/" = 0 }
  }

  expect_failures = [var.expire_days]
}

run "versions_kept_for_no_time" {
  command = plan

  variables {
    noncurrent_days = 0
  }

  expect_failures = [var.noncurrent_days]
}
