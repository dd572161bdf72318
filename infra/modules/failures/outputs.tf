output "name" {
  description = "Name of the bucket."
  value       = module.bucket.name
}

output "arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

output "dead_letter_prefix" {
  description = "Location of the consumers' dead letters."
  value       = var.dead_letter_prefix
}

output "on_failure_prefix" {
  description = "Location of the mappings' on-failure documents."
  value       = local.on_failure_prefix
}

output "profile_prefix" {
  description = "Location of the monitor's profiles of windows."
  value       = local.profile_prefix
}
