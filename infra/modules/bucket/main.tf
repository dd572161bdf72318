# A private bucket: encrypted, versioned, TLS only. Its ARN is made from its name, so that policies are readable in a plan.

locals {
  arn = "arn:${var.partition}:s3:::${var.name}"
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: CloudTrail data events record access where it is wanted; a log bucket would need one of its own
  #checkov:skip=CKV_AWS_144: what a second region would hold can be made again: dead letters by replaying, models by training
  #checkov:skip=CKV2_AWS_62: nothing waits for these objects; operators list them
  bucket        = var.name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket

  rule {
    # With a bucket key the encryption context is the bucket's ARN, which the consumers' policies ask for.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket

  # Noncurrent versions can only expire where there are versions.
  depends_on = [aws_s3_bucket_versioning.this]

  rule {
    id     = "housekeeping"
    status = "Enabled"

    filter {
      prefix = ""
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  dynamic "rule" {
    for_each = var.expire_days

    content {
      id     = "expire-${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }
}

# S3 refuses to delete a bucket that holds objects, but by then its policy, encryption and key would be gone. With this
# `terraform destroy` is refused as a whole, and `make destroy` leaves such a bucket as it is.
resource "terraform_data" "kept" {
  count = var.force_destroy ? 0 : 1

  triggers_replace = aws_s3_bucket.this.bucket # a new name would be a new bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_policy" "this" {
  # S3 refuses a policy that is put while the access block is still being applied.
  bucket = aws_s3_bucket_public_access_block.this.bucket

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"    # a refusal of everybody
        Action    = "s3:*" # of everything
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
