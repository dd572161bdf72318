output "topic_arn" {
  description = "Where alarms are told; subscribe chat or paging here."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "composite_alarms" {
  description = "Names of the composite alarms, which a deployment watches."
  value       = module.alarms.composite_alarms
}
