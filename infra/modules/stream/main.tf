# One Kinesis stream. Its ARN is made from its name, so that policies are readable in a plan.

locals {
  arn    = "arn:${var.account.partition}:kinesis:${var.account.region}:${var.account.id}:stream/${var.name}"
  shards = var.capacity.mode == "PROVISIONED" ? var.capacity.shards : var.capacity.expected_shards
}

resource "aws_kinesis_stream" "this" {
  name                = var.name
  shard_count         = var.capacity.shards
  retention_period    = var.retention_hours
  shard_level_metrics = var.shard_level_metrics
  encryption_type     = "KMS"
  kms_key_id          = var.kms_key_arn

  # Destroying the stream may take its fan-out consumers with it; they have no state of their own.
  enforce_consumer_deletion = true

  stream_mode_details {
    stream_mode = var.capacity.mode
  }
}

resource "aws_kinesis_stream_consumer" "this" {
  for_each = var.fan_out_consumers

  name       = each.key
  stream_arn = aws_kinesis_stream.this.arn
}
