# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  environment  = "test"
  account      = { id = "123456789012", region = "eu-west-1" }
  image_digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  consumers    = { rides = {} }

  bootstrap = {
    kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    models_bucket = "stream-consumer-test-models-123456789012"
    repositories = {
      lean  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test"
      doors = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test-doors"
    }
  }
}

run "name_too_long_for_buckets" {
  command = plan

  variables {
    name = "a-very-long-name-of-a-system"
  }

  expect_failures = [var.name]
}

run "environment_with_a_hyphen" {
  command = plan

  variables {
    environment = "pre-prod"
  }

  expect_failures = [var.environment]
}

run "account_that_is_a_name" {
  command = plan

  variables {
    account = { id = "production", region = "eu-west-1" }
  }

  expect_failures = [var.account]
}

run "image_by_tag" {
  command = plan

  variables {
    image_digest = "latest"
  }

  expect_failures = [var.image_digest]
}

run "no_consumer" {
  command = plan

  variables {
    consumers = {}
  }

  expect_failures = [var.consumers]
}

run "consumer_with_capitals" {
  command = plan

  variables {
    consumers = { Rides = {} }
  }

  expect_failures = [var.consumers]
}

run "two_consumers_on_one_output" {
  command = plan

  variables {
    consumers = { a = { output = { name = "predictions" } }, b = { output = { name = "predictions" } } }
  }

  expect_failures = [var.consumers]
}

run "output_with_the_default_name_of_another" {
  command = plan

  variables {
    consumers = { a = {}, b = { output = { name = "stream-consumer-test-a-predictions" } } }
  }

  expect_failures = [var.consumers]
}

run "consumer_with_the_name_of_a_door" {
  command = plan

  variables {
    consumers = { web = {} }
  }

  expect_failures = [var.consumers]
}

run "doors_without_their_image" {
  command = plan

  variables {
    web = {}
  }

  expect_failures = [var.doors_image_digest]
}

run "training_without_its_image" {
  command = plan

  variables {
    training = { schedule = { expression = "rate(7 days)" } }
  }

  expect_failures = [var.training_image_digest]
}

run "monitor_of_no_consumer" {
  command = plan

  variables {
    monitor = { consumer = "others" }
  }

  expect_failures = [var.monitor]
}

run "consumer_with_the_monitors_name" {
  command = plan

  variables {
    consumers = { monitor = {} }
    monitor   = {}
  }

  expect_failures = [var.monitor]
}

run "quality_without_outcomes" {
  command = plan

  variables {
    archive = { quality = { rides = { registered = { rmse = 6 } } } }
  }

  expect_failures = [var.archive]
}

run "quality_of_a_consumer_that_there_is_not" {
  command = plan

  variables {
    doors_image_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    archive            = { outcomes = {}, quality = { trial = { registered = { rmse = 6 } } } }
  }

  expect_failures = [var.archive]
}
