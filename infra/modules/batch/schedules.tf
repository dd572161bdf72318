# What starts the tasks: every minute a look at the queue, and at an interval's end its run.

locals {
  dates = { month = "{date:%Y-%m}", day = "{date:%Y-%m-%d}", hour = "{date:%Y-%m-%dT%H}" }

  on_lambda = try(var.interval.runs_on, "") == "lambda"

  interval_environment = var.interval == null ? {} : {
    BATCH_INTERVAL = var.interval.length
    BATCH_INPUT    = coalesce(var.interval.input, "s3://${var.input.bucket}/${var.input.prefix}${local.dates[var.interval.length]}${var.input.suffix}")
    BATCH_OUTPUT   = coalesce(var.interval.output, "s3://${var.output.bucket}/${var.output.prefix}${local.dates[var.interval.length]}${var.input.suffix}")
  }

  scheduled_time = "<aws.scheduler.scheduled-time>"

  # What the schedule of the interval says, by where it runs.
  interval_inputs = {
    fargate = { containerOverrides = [{ name = "batch", environment = [{ name = "SCHEDULED_TIME", value = local.scheduled_time }] }] }
    lambda  = { scheduled_time = local.scheduled_time }
  }

  starter_name  = "${var.name}-starter"
  interval_name = "${var.name}-interval"
}

module "starter" {
  source = "../function"
  count  = local.on_arrival ? 1 : 0

  name         = local.starter_name
  description  = "Starts tasks when files wait in ${var.name}"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  handler      = "stream_consumer.worker.task_starter.lambda_handler"

  # One at a time: two at once would count the same running tasks and start twice what is wanted.
  function = { memory_mb = 512, timeout_seconds = 30, reserved_concurrency = 1, log_retention_days = var.task.log_retention_days }

  environment = {
    QUEUE_URL         = local.queue_url
    CLUSTER           = local.cluster_arn
    TASK_DEFINITION   = aws_ecs_task_definition.this["worker"].arn
    TASK_FAMILY       = local.families["worker"]
    SUBNETS           = join(",", var.network.subnet_ids)
    SECURITY_GROUPS   = join(",", var.network.security_group_ids)
    ASSIGN_PUBLIC_IP  = var.network.assign_public_ip ? "ENABLED" : "DISABLED"
    MAX_TASKS         = tostring(var.task.max_tasks)
    MESSAGES_PER_TASK = tostring(var.task.messages_per_task)
  }

  policies = { start = [
    {
      Sid      = "CountWaitingFiles"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes"]
      Resource = [local.queue_arns["work"]]
    },
    {
      Sid       = "CountRunningTasks"
      Effect    = "Allow"
      Action    = ["ecs:ListTasks"]
      Resource  = ["*"] # wildcard: tasks on Fargate are on no container instance, the only resource that this action knows
      Condition = { ArnEquals = { "ecs:cluster" = local.cluster_arn } }
    },
    local.run_task["worker"],
    local.pass_roles["worker"],
    {
      # A task that takes the tags of its definition is refused without it.
      Sid       = "TagTheTask"
      Effect    = "Allow"
      Action    = ["ecs:TagResource"]
      Resource  = ["${local.arn.ecs}task/${var.name}/*"] # wildcard: AWS names the task
      Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
    },
  ] }
}

# A look that failed is not made up for: the next comes in a minute.
resource "aws_lambda_function_event_invoke_config" "starter" {
  count = local.on_arrival ? 1 : 0

  function_name                = module.starter[0].name
  qualifier                    = module.starter[0].alias
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

module "interval" {
  source = "../function"
  count  = local.on_lambda ? 1 : 0

  name         = local.interval_name
  description  = "Scores the ${var.interval.length} that has ended"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  handler      = "stream_consumer.batch.lambda_function.lambda_handler"
  function     = merge(var.interval.function, { log_retention_days = var.task.log_retention_days })
  environment  = merge(var.environment, module.model.environment, local.interval_environment)

  policies = { score = concat(local.scoring_statements, [
    {
      Sid      = "KeepFailedRuns"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [local.queue_arns["failed-runs"]]
    },
  ]) }
}

resource "aws_lambda_function_event_invoke_config" "interval" {
  count = local.on_lambda ? 1 : 0

  function_name          = module.interval[0].name
  qualifier              = module.interval[0].alias
  maximum_retry_attempts = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.kept["failed-runs"].arn
    }
  }
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "starter" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  count = local.on_arrival ? 1 : 0

  name                = local.starter_name
  description         = "A look at the queue ${var.name}"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.starter[0].alias_arn
    role_arn = aws_iam_role.schedules.arn
    input    = "{}"

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

resource "aws_scheduler_schedule" "interval" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  count = var.interval == null ? 0 : 1

  name                         = local.interval_name
  description                  = "Scores the ${var.interval.length} that has ended"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = var.interval.schedule
  schedule_expression_timezone = var.interval.timezone

  flexible_time_window {
    mode                      = var.interval.flexible_minutes == 0 ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = var.interval.flexible_minutes == 0 ? null : var.interval.flexible_minutes
  }

  target {
    arn      = local.on_fargate ? aws_ecs_cluster.this.arn : module.interval[0].alias_arn
    role_arn = aws_iam_role.schedules.arn

    # jsonencode writes < as \u003c, and Scheduler would not find the word that it must replace.
    input = replace(replace(jsonencode(local.interval_inputs[var.interval.runs_on]), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_retry_attempts       = var.interval.retries
      maximum_event_age_in_seconds = var.interval.retry_seconds
    }

    dead_letter_config {
      arn = aws_sqs_queue.kept["failed-runs"].arn
    }

    dynamic "ecs_parameters" {
      for_each = local.on_fargate ? [aws_ecs_task_definition.this["batch"].arn] : []

      content {
        task_definition_arn = ecs_parameters.value
        launch_type         = "FARGATE"
        task_count          = 1

        network_configuration {
          subnets          = var.network.subnet_ids
          security_groups  = var.network.security_group_ids
          assign_public_ip = var.network.assign_public_ip
        }
      }
    }
  }
}

resource "aws_iam_role" "schedules" {
  name                 = "${var.name}-schedules"
  description          = "What the schedules of ${var.name} may start"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary
  assume_role_policy   = local.trust_policies["schedules"]
}

resource "aws_iam_role_policy" "schedules" {
  name = "start"
  role = aws_iam_role.schedules.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for functions in [concat(module.starter, module.interval)] :
        {
          Sid      = "InvokeTheFunctions"
          Effect   = "Allow"
          Action   = ["lambda:InvokeFunction"]
          Resource = [for function in functions : "${function.arn}:${function.alias}"]
        } if length(functions) > 0
      ],
      var.interval == null ? [] : [
        {
          Sid      = "KeepFailedRuns"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [local.queue_arns["failed-runs"]]
        },
      ],
      local.on_fargate ? [local.run_task["batch"], local.pass_roles["batch"]] : [],
    )
  })
}
