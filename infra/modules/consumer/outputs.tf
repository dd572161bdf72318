output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "alias" {
  description = "Alias that the mapping invokes."
  value       = module.function.alias
}

output "live_version" {
  description = "Version behind the alias."
  value       = module.function.live_version
}

output "newest_version" {
  description = "Version published last."
  value       = module.function.newest_version
}

output "mapping_id" {
  description = "UUID of the event source mapping."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "role_arn" {
  description = "Role of the function."
  value       = module.function.role_arn
}

output "memory_mb" {
  description = "Memory of the function."
  value       = var.function.memory_mb
}

output "window_seconds" {
  description = "Longest wait for a full batch."
  value       = var.mapping.window_seconds
}

output "filtered" {
  description = "Whether the mapping drops records that no filter pattern matches."
  value       = length(var.mapping.filter_patterns) > 0
}

output "timeout_seconds" {
  description = "Timeout of the function."
  value       = var.function.timeout_seconds
}
