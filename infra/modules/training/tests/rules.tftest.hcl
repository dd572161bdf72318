# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-training"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc-training@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository  = "sc-training"
  schedule    = { expression = "cron(0 4 5 * ? *)" }
  data        = { bucket = "sc-models" }
  models      = { bucket = "sc-models" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "name_that_jobs_cannot_have" {
  command = plan

  variables {
    name = "sc--training"
  }

  expect_failures = [var.name]
}

run "schedule_of_cron_itself" {
  command = plan

  variables {
    schedule = { expression = "0 4 5 * *" }
  }

  expect_failures = [var.schedule]
}

run "window_beyond_a_day" {
  command = plan

  variables {
    schedule = { expression = "rate(7 days)", flexible_minutes = 1441 }
  }

  expect_failures = [var.schedule]
}

run "retries_beyond_the_scheduler" {
  command = plan

  variables {
    schedule = { expression = "rate(7 days)", retries = 186 }
  }

  expect_failures = [var.schedule]
}

run "image_by_tag" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc-training:latest"
  }

  expect_failures = [var.image_uri]
}

run "machine_with_a_graviton_processor" {
  command = plan

  variables {
    job = { instance_type = "ml.m7g.large" }
  }

  expect_failures = [var.job]
}

run "no_disk" {
  command = plan

  variables {
    job = { volume_gb = 0 }
  }

  expect_failures = [var.job]
}

run "no_time" {
  command = plan

  variables {
    job = { timeout_seconds = 60 }
  }

  expect_failures = [var.job]
}

run "all_of_a_bucket" {
  command = plan

  variables {
    data = { bucket = "sc-models", prefix = "" }
  }

  expect_failures = [var.data]
}

run "model_in_another_folder" {
  command = plan

  variables {
    model_name = "../payroll"
  }

  expect_failures = [var.model_name]
}

run "seed_beyond_32_bits" {
  command = plan

  variables {
    seed = 4294967296
  }

  expect_failures = [var.seed]
}

run "a_database_as_mlflow" {
  command = plan

  variables {
    tracking_uri = "postgresql://mlflow"
  }

  expect_failures = [var.tracking_uri]
}
