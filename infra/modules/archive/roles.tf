# What Firehose may do for each stream, and nothing else. infra/operations.json lists the operations.
# Source: Amazon Data Firehose developer guide, "Controlling access": S3 destination, Kinesis source.

locals {
  through = { for service in ["kinesis", "s3"] : service => "${service}.${var.account.region}.amazonaws.com" }

  statements = { for folder, stream in var.streams : folder => concat(
    [
      {
        Sid      = "ReadTheStream"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = [stream.arn]
      },
      {
        Sid      = "WriteTheArchive"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = [for prefix in [local.prefix[folder], local.errors[folder]] : "${var.bucket.arn}/${prefix}*"] # wildcard: Firehose names the objects
      },
      {
        Sid      = "LookAtTheBucket"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = [var.bucket.arn]
      },
      {
        Sid      = "TellOfErrors"
        Effect   = "Allow"
        Action   = ["logs:PutLogEvents"]
        Resource = ["arn:${var.account.partition}:logs:${var.account.region}:${var.account.id}:log-group:${local.log}:log-stream:${local.names[folder]}"]
      },
      {
        # The encryption context is the bucket, which has a bucket key.
        Sid       = "EncryptTheArchive"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.bucket.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = local.through.s3, "kms:EncryptionContext:aws:s3:arn" = var.bucket.arn } }
      },
    ],
    [for key in stream.kms_key_arn[*] :
      {
        Sid       = "DecryptTheStream"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [key]
        Condition = { StringEquals = { "kms:ViaService" = local.through.kinesis, "kms:EncryptionContext:aws:kinesis:arn" = stream.arn } }
      }
    ],
  ) }
}

resource "aws_iam_role" "this" {
  for_each = var.streams

  name                 = local.names[each.key]
  description          = "What Firehose may do to archive ${each.value.name}"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "firehose.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "sts:ExternalId" = var.account.id } } # how Firehose says for whom it asks
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = var.streams

  name   = "archive"
  role   = aws_iam_role.this[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}
