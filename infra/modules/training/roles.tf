# What each part may do, and nothing else. infra/operations.json lists the operations by role.

locals {
  through_s3 = "s3.${var.account.region}.amazonaws.com"

  trust = {
    schedules = { service = "scheduler.amazonaws.com", source = "${local.arn.scheduler}schedule-group/${var.name}" }
    job       = { service = "sagemaker.amazonaws.com", source = "${local.arn.sagemaker}${var.name}-*" } # wildcard: Scheduler numbers the jobs
  }

  statements = {
    schedules = [
      {
        Sid      = "StartTheJob"
        Effect   = "Allow"
        Action   = ["sagemaker:CreateTrainingJob"]
        Resource = ["${local.arn.sagemaker}${var.name}-*"] # wildcard: Scheduler numbers the jobs
        Condition = {
          "ForAllValues:StringEquals" = { "sagemaker:InstanceTypes" = [var.job.instance_type] }
          ArnEquals                   = { "sagemaker:OutputKmsKeyArn" = var.kms_key_arn, "sagemaker:VolumeKmsKeyArn" = var.kms_key_arn }
        }
      },
      {
        Sid       = "HandItsRoleToTheJob"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [local.job_role_arn]
        Condition = { StringEquals = { "iam:PassedToService" = "sagemaker.amazonaws.com" } }
      },
      {
        Sid      = "KeepFailedRuns"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [local.queue_arn]
      },
    ]

    job = [
      {
        Sid      = "ReadTheRides"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.data_arn}/${var.data.prefix}*"] # wildcard: the files
      },
      {
        Sid       = "ListTheRides"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.data_arn]
        Condition = { StringLike = { "s3:prefix" = ["${var.data.prefix}*"] } } # wildcard: the files
      },
      {
        Sid      = "ReadAndAddModels"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${local.models_arn}/models/${var.model_name}/*"] # wildcard: models are named by their digests
      },
      {
        # Without it S3 says of an object that is not there that access is denied.
        Sid       = "SeeWhichModelsAreThere"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.models_arn]
        Condition = { StringLike = { "s3:prefix" = ["models/${var.model_name}/*"] } } # wildcard: the folder and what is below it
      },
      {
        Sid      = "LeaveItsOutputs"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${local.models_arn}/${local.outputs}${var.name}/*"] # wildcard: a folder for each job
      },
      {
        Sid      = "LogInToTheRegistry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"] # wildcard: AWS knows no narrower one
      },
      {
        Sid      = "PullTheImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["${local.arn.ecr}${var.repository}"]
      },
      {
        Sid      = "OpenTheLogGroup"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:DescribeLogStreams"]
        Resource = [local.log_group_arn, "${local.log_group_arn}:*"] # wildcard: AWS writes the name of a group in both ways
      },
      {
        Sid      = "WriteItsLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.log_group_arn}:log-stream:${var.name}-*"] # wildcard: a log stream begins with the name of its job
      },
      {
        Sid       = "WriteItsMetrics"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"] # wildcard: AWS knows no narrower one
        Condition = { StringEquals = { "cloudwatch:namespace" = "/aws/sagemaker/TrainingJobs" } }
      },
    ]
  }

  # Apart, for a new key's ARN is not known in a plan. The encryption context is the bucket with a bucket key, the object without.
  key_statements = concat(
    [for use in [
      { sid = "DecryptTheRides", key = var.data.kms_key_arn, actions = ["kms:Decrypt"], contexts = [local.data_arn, "${local.data_arn}/${var.data.prefix}*"] },
      { sid = "UseModels", key = var.models.kms_key_arn, actions = ["kms:Decrypt", "kms:GenerateDataKey"], contexts = [local.models_arn, "${local.models_arn}/models/${var.model_name}/*"] },
      { sid = "EncryptItsOutputs", key = var.kms_key_arn, actions = ["kms:Encrypt", "kms:GenerateDataKey"], contexts = [local.models_arn, "${local.models_arn}/${local.outputs}${var.name}/*"] },
      ] :
      {
        Sid      = use.sid
        Effect   = "Allow"
        Action   = use.actions
        Resource = [use.key]
        Condition = {
          StringEquals = { "kms:ViaService" = local.through_s3 }
          StringLike   = { "kms:EncryptionContext:aws:s3:arn" = use.contexts } # wildcard: the files
        }
      } if use.key != null
    ],
    [
      {
        Sid       = "EncryptItsDisk"
        Effect    = "Allow"
        Action    = ["kms:CreateGrant"]
        Resource  = [var.kms_key_arn]
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
    ],
  )
}

resource "aws_iam_role" "this" {
  for_each = local.trust

  name                 = "${var.name}-${each.key}"
  description          = each.key == "job" ? "What a training job of ${var.name} may do" : "What the schedule of ${var.name} may start"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = each.value.service }
        Action    = "sts:AssumeRole"
        Condition = {
          ArnLike      = { "aws:SourceArn" = each.value.source }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.statements

  name   = "train"
  role   = aws_iam_role.this[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_role_policy" "keys" {
  name   = "use-keys"
  role   = aws_iam_role.this["job"].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.key_statements })
}
