output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = [for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_name]
}

output "watched" {
  description = "Each alarm's key to what it watches."
  value = { for key, alarm in var.alarms : key => join(", ", [
    for watched in alarm.expression == null ? [alarm] : values(alarm.over) : "${watched.namespace} ${watched.metric} ${jsonencode(watched.dimensions)}"
  ]) }
}
