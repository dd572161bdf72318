# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name         = "sc-test-kafka"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  cluster      = { brokers = ["kafka-1.example.com:9093"] }
  topic        = "ride_events"
  output       = { topic = "ride_predictions" }
  dead_letters = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "dead-letters/kafka" }
  alarms       = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms" }
}

run "arn_of_a_topic" {
  command = plan

  variables {
    cluster = { arn = "arn:aws:kafka:eu-west-1:123456789012:topic/rides/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3/ride_events" }
    output  = { stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" } }
  }

  expect_failures = [var.cluster]
}

run "no_cluster" {
  command = plan

  variables {
    cluster = {}
    output  = { stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" } }
  }

  expect_failures = [var.cluster]
}

run "broker_without_a_port" {
  command = plan

  variables {
    cluster = { brokers = ["kafka-1.example.com"] }
  }

  expect_failures = [var.cluster]
}

run "plaintext" {
  command = plan

  variables {
    cluster = { brokers = ["kafka-1.example.com:9093"], authentication = "plaintext", secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_rides-a1b2c3" }
  }

  expect_failures = [var.cluster]
}

run "iam_on_another_cluster" {
  command = plan

  variables {
    cluster = { brokers = ["kafka-1.example.com:9093"], authentication = "iam" }
  }

  expect_failures = [var.cluster]
}

run "plain_on_amazon_msk" {
  command = plan

  variables {
    cluster = { arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/rides/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3", authentication = "plain", secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_rides-a1b2c3" }
    output  = { stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" } }
  }

  expect_failures = [var.cluster]
}

run "scram_without_a_secret" {
  command = plan

  variables {
    cluster = { brokers = ["kafka-1.example.com:9093"], authentication = "scram-sha-512" }
  }

  expect_failures = [var.cluster]
}

run "secret_without_its_end" {
  command = plan

  variables {
    cluster = { brokers = ["kafka-1.example.com:9093"], ca_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK/rides" }
  }

  expect_failures = [var.cluster]
}

run "topic_with_a_star" {
  command = plan

  variables {
    topic = "ride_*"
  }

  expect_failures = [var.topic]
}

run "consumer_group_with_a_star" {
  command = plan

  variables {
    consumer_group = "*"
  }

  expect_failures = [var.consumer_group]
}

run "network_of_no_vpc" {
  command = plan

  variables {
    network = { vpc_id = "subnet-1", subnet_ids = ["subnet-1"], broker_cidr_blocks = ["10.0.0.0/16"] }
  }

  expect_failures = [var.network]
}

run "no_way_out_to_the_brokers" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.network]
}

run "amazon_msk_from_outside" {
  command = plan

  variables {
    cluster = { arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/rides/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3", brokers = ["b-1.rides.example.com:9098"], authentication = "iam" }
  }

  expect_failures = [var.network]
}

run "longer_than_a_mapping_waits" {
  command = plan

  variables {
    function = { timeout_seconds = 841 }
  }

  expect_failures = [var.function]
}

run "age_before_the_last_retry" {
  command = plan

  variables {
    function = { timeout_seconds = 600 }
    mapping  = { maximum_record_age_seconds = 3600 }
  }

  expect_failures = [var.function]
}

run "batch_too_large" {
  command = plan

  variables {
    mapping = { batch_size = 10001 }
  }

  expect_failures = [var.mapping]
}

run "window_too_long" {
  command = plan

  variables {
    mapping = { window_seconds = 301 }
  }

  expect_failures = [var.mapping]
}

run "more_pollers_than_their_maximum" {
  command = plan

  variables {
    mapping = { pollers = { minimum = 5 } }
  }

  expect_failures = [var.mapping]
}

run "endless_retries" {
  command = plan

  variables {
    mapping = { maximum_retry_attempts = -1 }
  }

  expect_failures = [var.mapping]
}

run "endless_age" {
  command = plan

  variables {
    mapping = { maximum_record_age_seconds = 604801 }
  }

  expect_failures = [var.mapping]
}

run "unknown_position" {
  command = plan

  variables {
    mapping = { starting_position = "OLDEST" }
  }

  expect_failures = [var.mapping]
}

run "timestamp_without_its_position" {
  command = plan

  variables {
    mapping = { starting_timestamp = "2026-11-21T00:00:00Z" }
  }

  expect_failures = [var.mapping]
}

run "six_patterns" {
  command = plan

  variables {
    mapping = { filter_patterns = [for number in range(6) : jsonencode({ value = { ride_id = [number] } })] }
  }

  expect_failures = [var.mapping]
}

run "pattern_on_the_key" {
  command = plan

  variables {
    mapping = { filter_patterns = ["{\"key\": [\"1\"]}"] }
  }

  expect_failures = [var.mapping]
}

run "two_outputs" {
  command = plan

  variables {
    output = { topic = "ride_predictions", stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions" } }
  }

  expect_failures = [var.output]
}

run "output_topic_with_a_space" {
  command = plan

  variables {
    output = { topic = "ride predictions" }
  }

  expect_failures = [var.output]
}

run "output_topic_that_is_read" {
  command = plan

  variables {
    output = { topic = "ride_events" }
  }

  expect_failures = [var.output]
}

run "output_topic_on_unknown_brokers" {
  command = plan

  variables {
    cluster = { arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/rides/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3", authentication = "iam" }
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.output]
}

run "prefix_with_a_slash" {
  command = plan

  variables {
    dead_letters = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "dead-letters/" }
  }

  expect_failures = [var.dead_letters]
}

run "setting_that_follows" {
  command = plan

  variables {
    environment = { KAFKA_PARTIAL_RESPONSE = "true" }
  }

  expect_failures = [var.environment]
}

run "setting_for_tests" {
  command = plan

  variables {
    environment = { TEST_RUN = "true" }
  }

  expect_failures = [var.environment]
}

run "share_of_more_than_the_whole" {
  command = plan

  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms", duration_share = 1.5 }
  }

  expect_failures = [var.alarms]
}
