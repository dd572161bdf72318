output "topic_arn" {
  description = "Topic of the alarms. Subscribe chat or paging here."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = module.alarms.composite_alarms
}
