output "composite_alarms" {
  description = "Names of the composite alarms, which a deployment watches."
  value       = [for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_name]
}

output "watched" {
  description = "Each alarm's key to what it watches."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => "${alarm.namespace} ${alarm.metric_name} ${jsonencode(alarm.dimensions)}" }
}
