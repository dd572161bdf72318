# What each part may do, and nothing else. infra/operations.json lists the operations by role.

locals {
  through_s3 = "s3.${var.account.region}.amazonaws.com"

  archives = [for archive, prefix in var.archives : "${var.bucket.arn}/${prefix}/" if prefix != null && (archive != "events" || var.group != null)]
  results  = "${var.bucket.arn}/${var.results}/"

  statements = concat(
    [
      {
        Sid      = "ReadTheArchives"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for archive in local.archives : "${archive}*"] # wildcard: objects by the hour
      },
      {
        Sid      = "KeepTheResults"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${local.results}*"] # wildcard: a file for each day
      },
      {
        # Without it S3 says of an object that is not there that access is denied.
        Sid      = "SeeWhatIsThere"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [var.bucket.arn]
      },
      {
        # The encryption context is the bucket, which has a bucket key.
        Sid      = "UseTheKeyOfTheArchives"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.bucket.kms_key_arn]
        Condition = {
          StringEquals = { "kms:ViaService" = local.through_s3, "kms:EncryptionContext:aws:s3:arn" = var.bucket.arn }
        }
      },
    ],
    [for file in local.champion[*] :
      {
        Sid      = "ReadTheChampion"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${var.account.partition}:s3:::${file.bucket}/${file.key}"]
      }
    ],
    [for key in try(var.champion.kms_key_arn, null)[*] :
      {
        Sid      = "DecryptTheChampion"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [key]
        Condition = {
          StringEquals = {
            "kms:ViaService"                   = local.through_s3
            "kms:EncryptionContext:aws:s3:arn" = [for end in ["", "/${local.champion.key}"] : "arn:${var.account.partition}:s3:::${local.champion.bucket}${end}"]
          }
        }
      }
    ],
  )
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
          ArnLike      = { "aws:SourceArn" = "arn:${var.account.partition}:scheduler:${var.account.region}:${var.account.id}:schedule-group/${var.name}" }
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
        Resource = ["${module.function.arn}:live"]
      },
    ]
  })
}
