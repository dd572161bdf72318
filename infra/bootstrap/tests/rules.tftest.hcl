# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  environment = "test"
  account_id  = "123456789012"
  region      = "eu-west-1"
}

run "environment_with_a_hyphen" {
  command = plan

  variables {
    environment = "pre-prod"
  }

  expect_failures = [var.environment]
}

run "environment_that_is_called_as_the_deploy_role" {
  command = plan

  variables {
    environment = "deploy"
  }

  expect_failures = [var.environment]
}

run "account_that_is_a_name" {
  command = plan

  variables {
    account_id = "production"
  }

  expect_failures = [var.account_id]
}

run "name_too_long_for_buckets" {
  command = plan

  variables {
    name = "a-very-long-name-of-a-system"
  }

  expect_failures = [var.name]
}

run "every_repository_of_an_owner" {
  command = plan

  variables {
    github_repository = "my-company/*"
  }

  expect_failures = [var.github_repository]
}
