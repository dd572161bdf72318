output "delivery_streams" {
  description = "Name of the delivery stream of each folder."
  value       = { for folder, stream in aws_kinesis_firehose_delivery_stream.this : folder => stream.name }
}

output "log_group" {
  description = "Log of Firehose's errors."
  value       = aws_cloudwatch_log_group.this.name
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = module.alarms.composite_alarms
}
