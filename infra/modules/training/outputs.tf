output "schedule" {
  description = "The schedule, in the group of the same name."
  value       = aws_scheduler_schedule.this.name
}

output "failed_runs_queue" {
  description = "Queue of jobs that did not start, failed or were stopped: name, URL and ARN."
  value       = { name = local.failed_runs, url = aws_sqs_queue.failed_runs.url, arn = local.queue_arn }
}

output "job_role" {
  description = "ARN of the role of the jobs."
  value       = aws_iam_role.this["job"].arn
}

output "data" {
  description = "Location of the training rides."
  value       = "s3://${var.data.bucket}/${var.data.prefix}"
}

output "champion" {
  description = "Value of a consumer's `model.location` for the champion."
  value       = "s3://${var.models.bucket}/models/${var.model_name}/champion.json"
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables `schedule`, `job` and `data` as Terraform read them: with defaults, and without unknown attributes."
  value       = { schedule = var.schedule, job = var.job, data = var.data }
}
