# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "prefix_with_slash" {
  command = plan

  variables {
    dead_letter_prefix = "dead-letters/"
  }

  expect_failures = [var.dead_letter_prefix]
}

run "prefix_of_lambdas_own" {
  command = plan

  variables {
    dead_letter_prefix = "aws/dead-letters"
  }

  expect_failures = [var.dead_letter_prefix]
}

run "prefix_of_the_monitors" {
  command = plan

  variables {
    dead_letter_prefix = "profiles"
  }

  expect_failures = [var.dead_letter_prefix]
}
