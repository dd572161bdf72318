output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function, known before it exists."
  value       = local.function_arn
}

output "alias" {
  description = "Name of the alias to invoke."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "ARN of the alias."
  value       = aws_lambda_alias.live.arn
}

output "invoke_arn" {
  description = "ARN of the alias for an API."
  value       = aws_lambda_alias.live.invoke_arn
}

output "live_version" {
  description = "Version behind the alias."
  value       = aws_lambda_alias.live.function_version
}

output "newest_version" {
  description = "Version published last."
  value       = aws_lambda_function.this.version
}

output "role_arn" {
  description = "Role of the function."
  value       = aws_iam_role.this.arn
}

output "settings" {
  description = "The function's environment variables."
  value       = aws_lambda_function.this.environment[0].variables
}

output "reserved_concurrency" {
  description = "Highest number of environments. -1: the account's limit."
  value       = aws_lambda_function.this.reserved_concurrent_executions
}

output "policies" {
  description = "Policies of the role, by name."
  value       = { for name, policy in aws_iam_role_policy.this : name => policy.policy }
}

output "dimensions" {
  description = "Dimensions of the alias's metrics. An alarm on the bare function would add up all aliases."
  value       = { FunctionName = var.name, Resource = "${var.name}:${aws_lambda_alias.live.name}" }
}
