# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/sc:live/invocations" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:sc" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/sc-test-batch" }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/sc:3" }
  }
}

variables {
  name        = "sc-test-batch"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository  = "sc"
  input       = { bucket = "sc-files", owns_notifications = true }
  output      = { bucket = "sc-files" }
  network     = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "a_file_is_tried_five_times_and_then_kept" {
  assert {
    condition     = jsondecode(aws_sqs_queue.work.redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:eu-west-1:123456789012:sc-test-batch-dead-letters", maxReceiveCount = 5 }
    error_message = "A file that cannot be scored must not come back forever."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.kept["dead-letters"].redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:eu-west-1:123456789012:sc-test-batch"] }
    error_message = "Only this queue's dead letters end there."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.work, aws_sqs_queue.kept["dead-letters"], aws_sqs_queue.kept["failed-runs"]] : queue.sqs_managed_sse_enabled]) && aws_sqs_queue.kept["dead-letters"].message_retention_seconds == 1209600
    error_message = "Every queue is encrypted; dead letters are kept as long as SQS keeps anything."
  }
}

run "arrivals_in_the_input_and_nothing_else_make_work" {
  assert {
    condition = [for queue in aws_s3_bucket_notification.arrivals[0].queue : [queue.queue_arn, queue.events, queue.filter_prefix, queue.filter_suffix]] == [
      ["arn:aws:sqs:eu-west-1:123456789012:sc-test-batch", toset(["s3:ObjectCreated:*"]), "rides/", ".parquet"]
    ]
    error_message = "Results lie in the same bucket: they must not become work."
  }
}

run "somebody_elses_notifications_are_left_alone" {
  variables {
    input = { bucket = "sc-files", owns_notifications = false }
  }

  assert {
    condition     = length(aws_s3_bucket_notification.arrivals) == 0 && output.notification.queue_arn == "arn:aws:sqs:eu-west-1:123456789012:sc-test-batch"
    error_message = "A bucket has one notification configuration; its owner is told what to add."
  }
}

run "a_worker_writes_only_to_its_scratch_and_has_time_to_stop" {
  variables {
    model       = { location = "s3://sc-models/models/7" }
    environment = { POWERTOOLS_LOG_LEVEL = "DEBUG" }
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this["worker"].container_definitions) == [{
      name                   = "worker"
      image                  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      command                = ["worker", "--queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/sc-test-batch", "--exit-when-empty", "--lease", "300", "--grace", "110"]
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      stopTimeout            = 120
      mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      environment = [
        { name = "AWS_DEFAULT_REGION", value = "eu-west-1" },
        { name = "BATCH_OUTPUT_KEYED", value = "s3://sc-files/predictions/{key}" },
        { name = "MODEL_LOCATION", value = "s3://sc-models/models/7" },
        { name = "POWERTOOLS_LOG_LEVEL", value = "DEBUG" },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options   = { awslogs-group = "/aws/ecs/sc-test-batch", awslogs-region = "eu-west-1", awslogs-stream-prefix = "worker" }
      }
    }]
    error_message = "The worker's container, whole."
  }

  assert {
    condition     = aws_ecs_task_definition.this["worker"].runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_task_definition.this["worker"].cpu == "1024" && aws_ecs_task_definition.this["worker"].memory == "2048"
    error_message = "One vCPU of arm64 and 2 GB."
  }
}

run "a_worker_keeps_the_lease_and_the_grace_that_are_set" {
  variables {
    queue = { visibility_seconds = 30 }
    task  = { stop_seconds = 2 }
  }

  assert {
    condition     = slice(jsondecode(aws_ecs_task_definition.this["worker"].container_definitions)[0].command, 4, 8) == ["--lease", "30", "--grace", "0"]
    error_message = "The worker sets each message's visibility itself; with next to no time to stop it hands the file back at once."
  }
}

run "the_starter_looks_every_minute_and_is_alone" {
  assert {
    condition     = aws_scheduler_schedule.starter[0].schedule_expression == "rate(1 minute)" && aws_scheduler_schedule.starter[0].target[0].arn == module.starter[0].alias_arn
    error_message = "A file waits for a minute at most before its task is asked for."
  }

  assert {
    condition = module.starter[0].settings == tomap({
      QUEUE_URL                    = "https://sqs.eu-west-1.amazonaws.com/123456789012/sc-test-batch"
      CLUSTER                      = "arn:aws:ecs:eu-west-1:123456789012:cluster/sc-test-batch"
      TASK_DEFINITION              = "arn:aws:ecs:eu-west-1:123456789012:task-definition/sc:3"
      TASK_FAMILY                  = "sc-test-batch-worker"
      SUBNETS                      = "subnet-1"
      SECURITY_GROUPS              = "sg-1"
      ASSIGN_PUBLIC_IP             = "DISABLED"
      MAX_TASKS                    = "4"
      MESSAGES_PER_TASK            = "100"
      POWERTOOLS_SERVICE_NAME      = "sc-test-batch-starter"
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
    error_message = "The starter reads from its environment what to start and where."
  }

  assert {
    condition     = module.starter[0].reserved_concurrency == 1 && aws_lambda_function_event_invoke_config.starter[0].maximum_retry_attempts == 0
    error_message = "Two starters at once would start twice what is wanted."
  }
}

run "nothing_runs_by_interval_unasked" {
  assert {
    condition     = keys(aws_ecs_task_definition.this) == ["worker"] && length(aws_scheduler_schedule.interval) == 0 && output.interval == null
    error_message = "Without an interval there is only the queue."
  }
}

run "an_interval_on_fargate_is_told_when_it_ended" {
  variables {
    on_arrival = false
    interval   = { runs_on = "fargate", schedule = "cron(15 0 1 * ? *)", timezone = "Europe/Berlin", flexible_minutes = 10 }
  }

  assert {
    condition     = aws_scheduler_schedule.interval[0].target[0].input == "{\"containerOverrides\":[{\"environment\":[{\"name\":\"SCHEDULED_TIME\",\"value\":\"<aws.scheduler.scheduled-time>\"}],\"name\":\"batch\"}]}"
    error_message = "Scheduler replaces its word only where it is written as it is."
  }

  assert {
    condition     = aws_scheduler_schedule.interval[0].target[0].arn == "arn:aws:ecs:eu-west-1:123456789012:cluster/sc-test-batch" && one(aws_scheduler_schedule.interval[0].target[0].ecs_parameters).launch_type == "FARGATE"
    error_message = "The target is the cluster."
  }

  assert {
    condition     = aws_scheduler_schedule.interval[0].schedule_expression_timezone == "Europe/Berlin" && aws_scheduler_schedule.interval[0].flexible_time_window[0].maximum_window_in_minutes == 10
    error_message = "The schedule is in the given hours, within its window."
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this["batch"].container_definitions)[0].command == ["batch"] && jsondecode(aws_ecs_task_definition.this["batch"].container_definitions)[0].environment == [
      { name = "AWS_DEFAULT_REGION", value = "eu-west-1" },
      { name = "BATCH_INPUT", value = "s3://sc-files/rides/{date:%Y-%m}.parquet" },
      { name = "BATCH_INTERVAL", value = "month" },
      { name = "BATCH_OUTPUT", value = "s3://sc-files/predictions/{date:%Y-%m}.parquet" },
    ]
    error_message = "The same image, another command."
  }

  assert {
    condition     = aws_scheduler_schedule.interval[0].target[0].dead_letter_config[0].arn == aws_sqs_queue.kept["failed-runs"].arn
    error_message = "A run that could not be started is kept."
  }
}

run "an_interval_alone_leaves_arrivals_alone" {
  variables {
    on_arrival = false
    interval   = { runs_on = "fargate", schedule = "cron(15 0 1 * ? *)" }
  }

  assert {
    condition     = length(aws_s3_bucket_notification.arrivals) == 0 && output.notification == null
    error_message = "Its files would be scored when they arrive, and again at the interval's end."
  }

  assert {
    condition     = output.starter == null && length(aws_scheduler_schedule.starter) == 0 && [for alarm in keys(module.alarms.watched) : alarm if startswith(alarm, "batch/starter")] == []
    error_message = "Nobody looks at a queue that nothing fills, or is paged because nobody does."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.schedules.policy).Statement : statement.Sid] == ["KeepFailedRuns", "RunTheTask", "HandRolesToTheTask"]
    error_message = "There is no function to invoke."
  }
}

run "a_short_interval_runs_on_lambda" {
  variables {
    on_arrival = true
    interval   = { runs_on = "lambda", length = "hour", schedule = "cron(5 * * * ? *)" }
  }

  assert {
    condition     = aws_scheduler_schedule.interval[0].target[0].input == "{\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}" && aws_scheduler_schedule.interval[0].target[0].arn == module.interval[0].alias_arn
    error_message = "The function is told which hour has ended."
  }

  assert {
    condition     = module.interval[0].settings["BATCH_INPUT"] == "s3://sc-files/rides/{date:%Y-%m-%dT%H}.parquet" && keys(aws_ecs_task_definition.this) == ["worker"]
    error_message = "Hours are named by the hour, and no task is made for them."
  }

  assert {
    condition     = one(one(aws_lambda_function_event_invoke_config.interval[0].destination_config).on_failure).destination == aws_sqs_queue.kept["failed-runs"].arn
    error_message = "A run that failed three times is kept."
  }
}

run "alarms_watch_the_dimensions_that_aws_reports" {
  assert {
    condition = module.alarms.watched == {
      "batch/backlog-age"      = "AWS/SQS ApproximateAgeOfOldestMessage {\"QueueName\":\"sc-test-batch\"}"
      "batch/dead-letters"     = "AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"sc-test-batch-dead-letters\"}"
      "batch/failed-runs"      = "AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"sc-test-batch-failed-runs\"}"
      "batch/starter-errors"   = "AWS/Lambda Errors {\"FunctionName\":\"sc-test-batch-starter\",\"Resource\":\"sc-test-batch-starter:live\"}"
      "batch/starter-silent"   = "AWS/Lambda Invocations {\"FunctionName\":\"sc-test-batch-starter\",\"Resource\":\"sc-test-batch-starter:live\"}"
      "batch/schedule-dropped" = "AWS/Scheduler InvocationDroppedCount {\"ScheduleGroup\":\"sc-test-batch\"}"
      "batch/schedule-unkept"  = "AWS/Scheduler InvocationsFailedToBeSentToDeadLetterCount {\"ScheduleGroup\":\"sc-test-batch\"}"
    }
    error_message = "An alarm on a dimension that nobody reports is silent forever."
  }
}
