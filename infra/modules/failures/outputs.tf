output "name" {
  description = "Name of the bucket."
  value       = module.bucket.name
}

output "arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

output "dead_letter_prefix" {
  description = "Where the consumers' dead letters go."
  value       = var.dead_letter_prefix
}

output "on_failure_prefix" {
  description = "Where Lambda puts the mappings' on-failure documents."
  value       = local.on_failure_prefix
}

output "profile_prefix" {
  description = "Where the monitor puts the profiles of windows."
  value       = local.profile_prefix
}
