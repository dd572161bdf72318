output "stream" {
  description = "Facts about the stream for consumers. Name and ARN are known before the stream exists."
  value = {
    name                = var.name
    arn                 = local.arn
    shards              = local.shards
    retention_hours     = var.retention_hours
    record_distribution = var.record_distribution
    kms_key_arn         = var.kms_key_arn
  }
  depends_on = [aws_kinesis_stream.this]
}

output "fan_out_arns" {
  description = "Name of each enhanced fan-out consumer to its ARN."
  value       = { for name, consumer in aws_kinesis_stream_consumer.this : name => consumer.arn }
}
