output "schedule" {
  description = "The schedule, in the group of the same name."
  value       = aws_scheduler_schedule.this.name
}

output "failed_runs_queue" {
  description = "Where jobs are told of that did not start, failed or were stopped: name, URL and ARN."
  value       = { name = local.failed_runs, url = aws_sqs_queue.failed_runs.url, arn = local.queue_arn }
}

output "job_role" {
  description = "ARN of the role of the jobs."
  value       = aws_iam_role.this["job"].arn
}

output "data" {
  description = "Where rides are trained from."
  value       = "s3://${var.data.bucket}/${var.data.prefix}"
}

output "champion" {
  description = "What a consumer names as its `model.location` to be given the champion."
  value       = "s3://${var.models.bucket}/models/${var.model_name}/champion.json"
}

output "composite_alarms" {
  description = "Names of the composite alarms, which a deployment watches."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables `schedule`, `job` and `data` as they were taken: with their defaults, and without attributes of another name."
  value       = { schedule = var.schedule, job = var.job, data = var.data }
}
