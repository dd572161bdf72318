# What the function and its schedule may do, and nothing else. infra/operations.json lists the operations by role.

locals {
  alias_arn = "${module.function.arn}:${module.function.alias}"
  group_arn = "arn:${var.account.partition}:scheduler:${var.account.region}:${var.account.id}:schedule-group/${var.name}"
  objects   = "${var.profiles.bucket_arn}/${var.profiles.prefix}/*" # wildcard: an object's key is its window

  key_uses = [
    { sid = "DecryptInput", key = var.input_stream.kms_key_arn, actions = ["kms:Decrypt"], service = "kinesis", context = "aws:kinesis:arn", of = var.input_stream.arn },
    { sid = "UseProfiles", key = var.kms_key_arn, actions = ["kms:Decrypt", "kms:GenerateDataKey"], service = "s3", context = "aws:s3:arn", of = var.profiles.bucket_arn },
  ]

  # The keys apart, for a new key's ARN is not known in a plan.
  policies = {
    monitor = concat(
      [
        {
          Sid      = "ReadInput"
          Effect   = "Allow"
          Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
          Resource = [var.input_stream.arn]
        },
        {
          Sid      = "KeepAndReadProfiles"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject"]
          Resource = [local.objects]
        },
        {
          Sid       = "ListProfiles"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = [var.profiles.bucket_arn]
          Condition = { StringLike = { "s3:prefix" = ["${var.profiles.prefix}/*"] } } # wildcard: a folder for each day
        },
      ],
      module.model.statements,
    )
    use-keys = concat(
      [for use in local.key_uses :
        {
          Sid      = use.sid
          Effect   = "Allow"
          Action   = use.actions
          Resource = [use.key]
          Condition = {
            StringEquals = {
              "kms:ViaService"                       = "${use.service}.${var.account.region}.amazonaws.com"
              "kms:EncryptionContext:${use.context}" = use.of
            }
          }
        } if use.key != null
      ],
      module.model.key_statements,
    )
  }
}

resource "aws_iam_role" "schedules" {
  name                 = "${var.name}-schedules"
  description          = "What the schedule of ${var.name} may start"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "scheduler.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = local.group_arn }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "schedules" {
  name = "start"
  role = aws_iam_role.schedules.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "InvokeTheFunction"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [local.alias_arn]
      },
    ]
  })
}
