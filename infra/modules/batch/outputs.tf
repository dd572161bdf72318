output "input" {
  description = "Bucket and prefix of the files to score."
  value       = "s3://${var.input.bucket}/${var.input.prefix}"
}

output "queue" {
  description = "The queue of files: name, URL and ARN."
  value       = { name = local.queues["work"].name, url = local.queue_url, arn = local.queue_arns["work"] }
}

output "dead_letter_queue" {
  description = "Queue of files that could not be scored: name, URL and ARN."
  value       = { name = local.queues["dead-letters"].name, url = aws_sqs_queue.kept["dead-letters"].url, arn = local.queue_arns["dead-letters"] }
}

output "failed_runs_queue" {
  description = "Queue of runs that did not start or that failed: name, URL and ARN."
  value       = { name = local.queues["failed-runs"].name, url = aws_sqs_queue.kept["failed-runs"].url, arn = local.queue_arns["failed-runs"] }
}

output "cluster" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "task_definitions" {
  description = "ARNs of the task definitions, by command: worker, and batch if the interval runs on Fargate."
  value       = { for name, definition in aws_ecs_task_definition.this : name => definition.arn }
}

output "task_roles" {
  description = "ARNs of the tasks' roles, by command."
  value       = { for name, role in aws_iam_role.task : name => role.arn }
}

output "starter" {
  description = "The function that starts tasks, and its alias; null: nothing is scored on arrival."
  value       = one([for function in module.starter : { function_name = function.name, alias = function.alias }])
}

output "interval" {
  description = "The function that scores an interval, and its alias. null: a task scores it, or there is no interval."
  value       = one([for function in module.interval : { function_name = function.name, alias = function.alias }])
}

output "log_group" {
  description = "Location of the tasks' results."
  value       = local.log_group
}

output "notification" {
  description = "Notifications that the owner of the input bucket must add, unless input.owns_notifications. null: nothing is scored on arrival."
  value = local.on_arrival ? {
    queue_arn     = local.queue_arns["work"]
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.input.prefix
    filter_suffix = var.input.suffix
  } : null
  depends_on = [aws_sqs_queue.work]
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables `network`, `queue`, `task` and `interval` as Terraform read them: with defaults, and without unknown attributes."
  value       = { network = var.network, queue = var.queue, task = var.task, interval = var.interval }
}
