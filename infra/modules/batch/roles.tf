# What each part may do, and nothing else. infra/operations.json lists the operations by role.

locals {
  through_s3 = "s3.${var.account.region}.amazonaws.com"

  trust = {
    tasks     = { service = "ecs-tasks.amazonaws.com", source = "${local.arn.ecs}*" } # wildcard: AWS names the task
    schedules = { service = "scheduler.amazonaws.com", source = "arn:${var.account.partition}:scheduler:${var.account.region}:${var.account.id}:schedule-group/${var.name}" }
  }

  trust_policies = { for who, trusted in local.trust : who => jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = trusted.service }
        Action    = "sts:AssumeRole"
        Condition = {
          ArnLike      = { "aws:SourceArn" = trusted.source }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
    ]
  }) }

  # Of whatever scores files: the worker's and the interval's tasks, the interval's function.
  scoring_statements = concat(
    [
      {
        Sid      = "ReadInput"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.input_arn}/${var.input.prefix}*"] # wildcard: the files
      },
      {
        Sid      = "WriteResults"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["${local.output_arn}/${var.output.prefix}*"] # wildcard: results are named by their inputs
      },
      {
        # Without it S3 says of an object that is not there that access is denied.
        Sid      = "SeeWhatIsThere"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = distinct([local.input_arn, local.output_arn])
      },
    ],
    # The encryption context is the bucket with a bucket key, the object without.
    [for use in [
      { sid = "DecryptInput", key = var.input.kms_key_arn, actions = ["kms:Decrypt"], bucket = local.input_arn, prefix = var.input.prefix },
      { sid = "EncryptResults", key = var.output.kms_key_arn, actions = ["kms:Decrypt", "kms:GenerateDataKey"], bucket = local.output_arn, prefix = var.output.prefix },
      ] :
      {
        Sid      = use.sid
        Effect   = "Allow"
        Action   = use.actions
        Resource = [use.key]
        Condition = {
          StringEquals = { "kms:ViaService" = local.through_s3 }
          StringLike   = { "kms:EncryptionContext:aws:s3:arn" = [use.bucket, "${use.bucket}/${use.prefix}*"] } # wildcard: the files
        }
      } if use.key != null
    ],
    module.model.statements,
    module.model.key_statements,
  )

  pass_roles = { for name in local.task_names : name => {
    Sid       = "HandRolesToTheTask"
    Effect    = "Allow"
    Action    = ["iam:PassRole"]
    Resource  = [for role in [local.families[name], "${var.name}-execution"] : "${local.arn.iam}role${var.roles.path}${role}"]
    Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
  } }

  run_task = { for name in local.task_names : name => {
    Sid       = "RunTheTask"
    Effect    = "Allow"
    Action    = ["ecs:RunTask"]
    Resource  = ["${local.arn.ecs}task-definition/${local.families[name]}:*"] # wildcard: its revision
    Condition = { ArnEquals = { "ecs:cluster" = local.cluster_arn } }
  } }
}

resource "aws_iam_role" "task" {
  for_each = local.task_names

  name                 = local.families[each.key]
  description          = "What the tasks ${local.families[each.key]} may do"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary
  assume_role_policy   = local.trust_policies["tasks"]
}

resource "aws_iam_role_policy" "score" {
  for_each = local.task_names

  name   = "score"
  role   = aws_iam_role.task[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.scoring_statements })
}

resource "aws_iam_role_policy" "work" {
  name = "work"
  role = aws_iam_role.task["worker"].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeAndSettleMessages"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
        Resource = [local.queue_arns["work"]]
      },
    ]
  })
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "Starts the tasks of ${var.name}: pulls their image, opens their logs"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary
  assume_role_policy   = local.trust_policies["tasks"]
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LogInToTheRegistry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"] # wildcard: AWS knows no narrower one
      },
      {
        Sid      = "PullTheImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["${local.arn.ecr}${var.repository}"]
      },
      {
        Sid      = "WriteTheirLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.log_group_arn}:*"] # wildcard: ECS names the log streams
      },
    ]
  })
}
