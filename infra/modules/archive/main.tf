# What comes onto streams, as files by the hour: Amazon Data Firehose reads a stream and writes gzip with a record a line, as
# `stream-consumer archive` does. docs/monitoring.md has the layout, which `monitor quality` reads.

locals {
  names  = { for folder in keys(var.streams) : folder => "${var.name}-${replace(folder, "/", "-")}" }
  prefix = { for folder in keys(var.streams) : folder => "${folder}/" }
  errors = { for folder in keys(var.streams) : folder => "errors/${folder}/" }
  log    = "/aws/kinesisfirehose/${var.name}"
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  #checkov:skip=CKV_AWS_240: a stream is encrypted where it is read, and the bucket encrypts what is written; Firehose keeps nothing of its own
  #checkov:skip=CKV_AWS_241: the same; the key is that of the stream and of the bucket
  for_each = var.streams

  name        = local.names[each.key]
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = each.value.arn
    role_arn           = aws_iam_role.this[each.key].arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.this[each.key].arn
    bucket_arn          = var.bucket.arn
    prefix              = "${local.prefix[each.key]}!{timestamp:yyyy/MM/dd/HH}/"
    error_output_prefix = "${local.errors[each.key]}!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"
    buffering_interval  = var.buffer.seconds
    buffering_size      = var.buffer.mb
    compression_format  = "GZIP"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this.name
      log_stream_name = aws_cloudwatch_log_stream.this[each.key].name
    }

    processing_configuration {
      enabled = true

      processors {
        type = "AppendDelimiterToRecord"

        parameters {
          parameter_name  = "Delimiter"
          parameter_value = "\\n" # as two characters: Firehose reads the escape
        }
      }
    }
  }

  # Firehose looks at stream and bucket when it is made.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: errors of delivery, which are of use for weeks
  name              = local.log
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_stream" "this" {
  for_each = var.streams

  name           = local.names[each.key]
  log_group_name = aws_cloudwatch_log_group.this.name
}
