# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name      = "sc-test-canary"
  account   = { id = "123456789012", region = "eu-west-1" }
  functions = ["sc-test-rides"]
}

run "until_in_another_time_zone" {
  command = plan

  variables {
    until = { sc-test-rides = "2026-11-27T16:10:00+01:00" }
  }

  expect_failures = [var.until]
}
