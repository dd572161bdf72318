# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  account = { id = "123456789012", region = "eu-west-1" }
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
