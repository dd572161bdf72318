# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-rides"
  description = "Scores rides"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  policies    = {}
}

run "name_too_long" {
  command = plan

  variables {
    name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
  }

  expect_failures = [var.name]
}

run "image_by_tag" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc:latest"
  }

  expect_failures = [var.image_uri]
}

run "unknown_architecture" {
  command = plan

  variables {
    architecture = "arm"
  }

  expect_failures = [var.architecture]
}

run "too_little_memory" {
  command = plan

  variables {
    function = { memory_mb = 64 }
  }

  expect_failures = [var.function]
}

run "too_much_memory" {
  command = plan

  variables {
    function = { memory_mb = 10241 }
  }

  expect_failures = [var.function]
}

run "timeout_beyond_lambda" {
  command = plan

  variables {
    function = { timeout_seconds = 901 }
  }

  expect_failures = [var.function]
}

run "timeout_without_time_to_answer" {
  command = plan

  variables {
    function = { timeout_seconds = 1 }
  }

  expect_failures = [var.function]
}

run "snap_start_with_provisioned_concurrency" {
  command = plan

  variables {
    function = { snap_start = true, provisioned_concurrency = 1 }
  }

  expect_failures = [var.function]
}

run "negative_provisioned_concurrency" {
  command = plan

  variables {
    function = { provisioned_concurrency = -1 }
  }

  expect_failures = [var.function]
}

run "provisioned_beyond_reserved" {
  command = plan

  variables {
    function = { provisioned_concurrency = 9, reserved_concurrency = 8 }
  }

  expect_failures = [var.function]
}

run "unknown_log_level" {
  command = plan

  variables {
    function = { log_level = "TRACE" }
  }

  expect_failures = [var.function]
}

run "log_retention_that_cloudwatch_has_not" {
  command = plan

  variables {
    function = { log_retention_days = 31 }
  }

  expect_failures = [var.function]
}

run "setting_of_lambdas_own" {
  command = plan

  variables {
    environment = { AWS_REGION = "eu-west-1" }
  }

  expect_failures = [var.environment]
}

run "release_of_latest" {
  command = plan

  variables {
    release = { version = "$LATEST" }
  }

  expect_failures = [var.release]
}

run "canary_beyond_everything" {
  command = plan

  variables {
    release = { version = "3", canary_weight = 1.5 }
  }

  expect_failures = [var.release]
}

run "too_little_scratch" {
  command = plan

  variables {
    function = { scratch_mb = 100 }
  }

  expect_failures = [var.function]
}

run "role_path_without_its_slash" {
  command = plan

  variables {
    roles = { path = "/apps" }
  }

  expect_failures = [var.roles]
}

run "boundary_that_is_a_role" {
  command = plan

  variables {
    roles = { permissions_boundary = "arn:aws:iam::123456789012:role/limit" }
  }

  expect_failures = [var.roles]
}

run "vpc_without_subnets" {
  command = plan

  variables {
    vpc = { subnet_ids = [], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.vpc]
}

run "vpc_with_too_many_subnets" {
  command = plan

  variables {
    vpc = { subnet_ids = [for number in range(17) : "subnet-${number}"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.vpc]
}

run "subnets_that_are_none" {
  command = plan

  variables {
    vpc = { subnet_ids = ["vpc-1"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.vpc]
}

run "vpc_without_security_groups" {
  command = plan

  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [var.vpc]
}

run "vpc_with_too_many_security_groups" {
  command = plan

  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = [for number in range(6) : "sg-${number}"] }
  }

  expect_failures = [var.vpc]
}

run "security_groups_that_are_none" {
  command = plan

  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["default"] }
  }

  expect_failures = [var.vpc]
}
