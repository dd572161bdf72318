# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-web"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "endpoint_of_a_load_balancer" {
  command = plan

  variables {
    endpoint = "alb"
  }

  expect_failures = [var.endpoint]
}

run "answer_after_the_api_gave_up" {
  command = plan

  variables {
    endpoint = "http_api"
    function = { timeout_seconds = 30 }
  }

  expect_failures = [var.function]
}

run "no_cap" {
  command = plan

  variables {
    function = { reserved_concurrency = 0 }
  }

  expect_failures = [var.function]
}

run "everybody_as_a_principal" {
  command = plan

  variables {
    allowed_principals = ["*"]
  }

  expect_failures = [var.allowed_principals]
}

run "roles_by_pattern" {
  command = plan

  variables {
    allowed_principals = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.allowed_principals]
}

run "principals_of_an_api" {
  command = plan

  variables {
    endpoint           = "http_api"
    allowed_principals = ["210987654321"]
  }

  expect_failures = [var.allowed_principals]
}

run "public_url" {
  command = plan

  variables {
    public_without_authentication = true
  }

  expect_failures = [var.public_without_authentication]
}

run "rate_beyond_the_account" {
  command = plan

  variables {
    endpoint = "http_api"
    throttle = { requests_per_second = 10001 }
  }

  expect_failures = [var.throttle]
}

run "no_burst" {
  command = plan

  variables {
    endpoint = "http_api"
    throttle = { burst = 0 }
  }

  expect_failures = [var.throttle]
}

run "every_origin" {
  command = plan

  variables {
    cors = { allow_origins = ["*"] }
  }

  expect_failures = [var.cors]
}

run "token_as_a_setting" {
  command = plan

  variables {
    environment = { WEB_TOKEN = "secret" }
  }

  expect_failures = [var.environment]
}

run "latency_beyond_the_timeout" {
  command = plan

  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms", latency_ms = 15000 }
  }

  expect_failures = [var.alarms]
}

run "duration_beyond_the_timeout" {
  command = plan

  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms", duration_share = 1 }
  }

  expect_failures = [var.alarms]
}
