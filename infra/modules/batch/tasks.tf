# The tasks: `worker`, which drains the queue and stops, and `batch`, which scores one interval. The same image, other commands.

locals {
  log_group     = "/aws/ecs/${var.name}"
  log_group_arn = "arn:${var.account.partition}:logs:${var.account.region}:${var.account.id}:log-group:${local.log_group}"

  on_fargate = try(var.interval.runs_on, "") == "fargate"

  # The file at hand has the time to stop, less what handing back the message takes: SIGKILL would leave it to its lease.
  worker_times = ["--lease", tostring(var.queue.visibility_seconds), "--grace", tostring(max(0, var.task.stop_seconds - 10))]

  tasks = merge(
    { worker = { command = concat(["worker", "--queue", local.queue_url, "--exit-when-empty"], local.worker_times), environment = { BATCH_OUTPUT_KEYED = local.output_keyed } } },
    local.on_fargate ? { batch = { command = ["batch"], environment = local.interval_environment } } : {},
  )

  task_names   = toset(concat(["worker"], local.on_fargate ? ["batch"] : []))
  families     = { for name in local.task_names : name => "${var.name}-${name}" }
  output_keyed = "s3://${var.output.bucket}/${var.output.prefix}{key}"
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled" # billed for the metrics of tasks that run, and none does when there is nothing to do
  }
}

resource "aws_cloudwatch_log_group" "tasks" {
  #checkov:skip=CKV_AWS_338: a year is the default; an environment may choose less, as dev does
  name              = local.log_group
  retention_in_days = var.task.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.task_names

  family                   = local.families[each.key]
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task.cpu
  memory                   = var.task.memory_mb
  task_role_arn            = aws_iam_role.task[each.key].arn
  execution_role_arn       = aws_iam_role.execution.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  ephemeral_storage {
    size_in_gib = var.task.scratch_gb
  }

  # A volume on the task's own disk is root's, unless the image declares its path a VOLUME: then it is as it is in the image.
  volume {
    name = "scratch"
  }

  container_definitions = jsonencode([
    {
      name                   = each.key
      image                  = var.image_uri
      command                = local.tasks[each.key].command
      essential              = true
      user                   = "65532:65532" # the image's own
      readonlyRootFilesystem = true
      stopTimeout            = var.task.stop_seconds
      mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

      environment = [for variable, value in merge({ AWS_DEFAULT_REGION = var.account.region }, var.environment, module.model.environment, local.tasks[each.key].environment) : { name = variable, value = value }]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.tasks.name
          awslogs-region        = var.account.region
          awslogs-stream-prefix = each.key
        }
      }
    },
  ])
}

# A task that ends badly tells nobody by itself: its message comes again, or its interval is never scored.
resource "aws_cloudwatch_event_rule" "failed_tasks" {
  name        = "${var.name}-failed-tasks"
  description = "Tasks of ${var.name} that never started, or whose container ended with another code than 0"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [local.cluster_arn]
      lastStatus = ["STOPPED"]
      "$or" = [
        { containers = { exitCode = [{ anything-but = 0 }] } },
        { stopCode = ["TaskFailedToStart"] },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed_tasks" {
  rule = aws_cloudwatch_event_rule.failed_tasks.name
  arn  = aws_sqs_queue.kept["failed-runs"].arn
}
