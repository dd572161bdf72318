# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "ride_events"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "name_with_a_slash" {
  command = plan

  variables {
    name = "ride/events"
  }

  expect_failures = [var.name]
}

run "unknown_mode" {
  command = plan

  variables {
    capacity = { mode = "SERVERLESS" }
  }

  expect_failures = [var.capacity]
}

run "provisioned_without_shards" {
  command = plan

  variables {
    capacity = { mode = "PROVISIONED" }
  }

  expect_failures = [var.capacity]
}

run "on_demand_with_shards" {
  command = plan

  variables {
    capacity = { shards = 2 }
  }

  expect_failures = [var.capacity]
}

run "no_expected_shards" {
  command = plan

  variables {
    capacity = { expected_shards = 0 }
  }

  expect_failures = [var.capacity]
}

run "retention_below_a_day" {
  command = plan

  variables {
    retention_hours = 23
  }

  expect_failures = [var.retention_hours]
}

run "retention_beyond_a_year" {
  command = plan

  variables {
    retention_hours = 8761
  }

  expect_failures = [var.retention_hours]
}

run "retention_below_the_consumers_record_age" {
  command = plan

  variables {
    retention_hours            = 24
    maximum_record_age_seconds = 86401
  }

  expect_failures = [var.retention_hours]
}

run "too_many_fan_out_consumers" {
  command = plan

  variables {
    fan_out_consumers = [for n in range(21) : "consumer-${n}"]
  }

  expect_failures = [var.fan_out_consumers]
}

run "fan_out_consumer_with_a_space" {
  command = plan

  variables {
    fan_out_consumers = ["my consumer"]
  }

  expect_failures = [var.fan_out_consumers]
}

run "unknown_shard_metric" {
  command = plan

  variables {
    shard_level_metrics = ["ALL"]
  }

  expect_failures = [var.shard_level_metrics]
}

run "unknown_record_distribution" {
  command = plan

  variables {
    record_distribution = "RANDOM"
  }

  expect_failures = [var.record_distribution]
}

run "automatic_distribution_of_provisioned_shards" {
  command = plan

  variables {
    record_distribution = "AUTO"
    capacity            = { mode = "PROVISIONED", shards = 2 }
  }

  expect_failures = [var.record_distribution]
}
