output "connection" {
  description = "Name of the connection with GitHub's token. `make release-token` sets the token."
  value       = aws_cloudwatch_event_connection.github.name
}

output "repository" {
  description = "Repository on GitHub whose workflow releases."
  value       = var.repository
}

output "failed_queue" {
  description = "Queue of promotions that did not reach GitHub: name, URL and ARN."
  value = {
    name = local.queue
    url  = aws_sqs_queue.failed.url
    arn  = local.queue_arn
  }
}

output "composite_alarms" {
  description = "Names of the composite alarms."
  value       = module.alarms.composite_alarms
}
