# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name = "sc-test"
}

run "name_with_capitals" {
  command = plan

  variables {
    name = "SC"
  }

  expect_failures = [var.name]
}

run "nothing_to_roll_back_to" {
  command = plan

  variables {
    keep_images = 1
  }

  expect_failures = [var.keep_images]
}
