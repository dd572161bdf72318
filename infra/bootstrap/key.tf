# One key for streams, buckets, logs and alarms. Who may use it is written in the roles; here stand only the account and the
# AWS services that have no role. In a key's policy the resource "*" is the key itself: AWS demands it.

locals {
  kms_key_arn = var.kms_key_arn != null ? var.kms_key_arn : aws_kms_key.this[0].arn
  log_kinds   = ["/aws/lambda", "/aws/ecs", "/aws/kinesisfirehose", "/aws/vendedlogs/apigateway"]
}

resource "aws_kms_key" "this" {
  count = var.kms_key_arn == null ? 1 : 0

  description             = "Streams, buckets, logs and alarms of ${local.prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without it nobody could ever change the key, and the roles' policies would not count.
        Sid       = "TheAccountDecides"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "LogsOfTheEnvironment"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = [
              for kind in local.log_kinds :
              "arn:aws:logs:${var.region}:${var.account_id}:log-group:${kind}/${local.prefix}-*" # wildcard: functions come and go
            ]
          }
        }
      },
      {
        Sid       = "AlarmsToTheTopic"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
    ]
  })

  # What it encrypted could never be read again.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  count = var.kms_key_arn == null ? 1 : 0

  name          = "alias/${local.prefix}"
  target_key_id = aws_kms_key.this[0].key_id
}
