# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-release"
  account     = { id = "123456789012", region = "eu-west-1" }
  environment = "test"
  repository  = "my-company/rides"
  bucket      = "sc-models"
  models      = ["ride-duration"]
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "name_with_a_space" {
  command = plan

  variables {
    name = "sc test"
  }

  expect_failures = [var.name]
}

run "repository_with_its_address" {
  command = plan

  variables {
    repository = "https://github.com/my-company/rides"
  }

  expect_failures = [var.repository]
}

run "token_in_the_clear" {
  command = plan

  variables {
    api_url = "http://api.github.com"
  }

  expect_failures = [var.api_url]
}

run "models_by_a_pattern" {
  command = plan

  variables {
    models = ["ride-*"]
  }

  expect_failures = [var.models]
}
