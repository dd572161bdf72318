output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "Alias that the mapping invokes."
  value       = local.alias
}

output "live_version" {
  description = "Version behind the alias."
  value       = aws_lambda_alias.live.function_version
}

output "newest_version" {
  description = "Version published last."
  value       = aws_lambda_function.this.version
}

output "mapping_id" {
  description = "UUID of the event source mapping."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "role_arn" {
  description = "Role of the function."
  value       = aws_iam_role.this.arn
}

output "memory_mb" {
  description = "Memory of the function."
  value       = var.function.memory_mb
}

output "timeout_seconds" {
  description = "Timeout of the function."
  value       = var.function.timeout_seconds
}
