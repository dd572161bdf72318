# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-batch"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository  = "sc"
  input       = { bucket = "sc-files", owns_notifications = true }
  output      = { bucket = "sc-files" }
  on_arrival  = true
  network     = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "name_with_a_space" {
  command = plan

  variables {
    name = "sc test"
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

run "prefix_that_is_a_pattern" {
  command = plan

  variables {
    input = { bucket = "sc-files", owns_notifications = true, prefix = "rides/*" }
  }

  expect_failures = [var.input]
}

run "prefix_without_a_slash" {
  command = plan

  variables {
    input = { bucket = "sc-files", owns_notifications = true, prefix = "rides" }
  }

  expect_failures = [var.input]
}

run "results_in_the_whole_bucket" {
  command = plan

  variables {
    input  = { bucket = "sc-others", owns_notifications = true }
    output = { bucket = "sc-files", prefix = "" }
  }

  expect_failures = [var.output]
}

run "results_among_the_inputs" {
  command = plan

  variables {
    output = { bucket = "sc-files", prefix = "rides/predictions/" }
  }

  expect_failures = [var.output]
}

run "inputs_among_the_results" {
  command = plan

  variables {
    input = { bucket = "sc-files", owns_notifications = true, prefix = "predictions/rides/" }
  }

  expect_failures = [var.output]
}

run "visible_too_soon" {
  command = plan

  variables {
    queue = { visibility_seconds = 10 }
  }

  expect_failures = [var.queue]
}

run "one_try" {
  command = plan

  variables {
    queue = { max_receives = 1 }
  }

  expect_failures = [var.queue]
}

run "too_little_time_to_wait" {
  command = plan

  variables {
    queue  = { retention_seconds = 1800 }
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms", age_seconds = 600 }
  }

  expect_failures = [var.queue]
}

run "dead_letters_that_expire_first" {
  command = plan

  variables {
    queue = { retention_seconds = 86400, keep_seconds = 86400 }
  }

  expect_failures = [var.queue]
}

run "no_subnet" {
  command = plan

  variables {
    network = { subnet_ids = [], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.network]
}

run "no_security_group" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [var.network]
}

run "size_that_fargate_has_not" {
  command = plan

  variables {
    task = { cpu = 256, memory_mb = 4096 }
  }

  expect_failures = [var.task]
}

run "cpu_that_fargate_has_not" {
  command = plan

  variables {
    task = { cpu = 1000 }
  }

  expect_failures = [var.task]
}

run "too_little_scratch" {
  command = plan

  variables {
    task = { scratch_gb = 20 }
  }

  expect_failures = [var.task]
}

run "patience_beyond_fargate" {
  command = plan

  variables {
    task = { stop_seconds = 121 }
  }

  expect_failures = [var.task]
}

run "no_task" {
  command = plan

  variables {
    task = { max_tasks = 0 }
  }

  expect_failures = [var.task]
}

run "no_message_for_a_task" {
  command = plan

  variables {
    task = { messages_per_task = 0 }
  }

  expect_failures = [var.task]
}

run "log_retention_that_cloudwatch_has_not" {
  command = plan

  variables {
    task = { log_retention_days = 31 }
  }

  expect_failures = [var.task]
}

run "interval_that_does_not_say_what_of_arrivals" {
  command = plan

  variables {
    on_arrival = null
    interval   = { runs_on = "fargate", schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.on_arrival]
}

run "nothing_to_score" {
  command = plan

  variables {
    on_arrival = false
  }

  expect_failures = [var.on_arrival]
}

run "interval_on_ec2" {
  command = plan

  variables {
    interval = { runs_on = "ec2", schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "interval_of_a_year" {
  command = plan

  variables {
    interval = { runs_on = "fargate", length = "year", schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "schedule_of_cron_itself" {
  command = plan

  variables {
    interval = { runs_on = "fargate", schedule = "15 0 1 * *" }
  }

  expect_failures = [var.interval]
}

run "window_beyond_a_day" {
  command = plan

  variables {
    interval = { runs_on = "fargate", flexible_minutes = 1441, schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "retries_beyond_the_scheduler" {
  command = plan

  variables {
    interval = { runs_on = "fargate", retries = 186, schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "the_same_object_every_time" {
  command = plan

  variables {
    interval = { runs_on = "fargate", input = "s3://sc-files/rides/all.parquet", schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "results_where_the_task_may_not_write" {
  command = plan

  variables {
    interval = { runs_on = "fargate", output = "s3://sc-files/reports/{date:%Y-%m}.parquet", schedule = "cron(15 0 1 * ? *)" }
  }

  expect_failures = [var.interval]
}

run "setting_that_follows_from_variables" {
  command = plan

  variables {
    environment = { BATCH_OUTPUT_KEYED = "s3://sc-files/{stem}" }
  }

  expect_failures = [var.environment]
}

run "alarm_before_a_task_can_start" {
  command = plan

  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms", age_seconds = 60 }
  }

  expect_failures = [var.alarms]
}

run "alarm_after_files_are_lost" {
  command = plan

  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms", age_seconds = 604800 }
  }

  expect_failures = [var.alarms]
}
