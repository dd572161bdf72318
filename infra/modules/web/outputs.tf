output "url" {
  description = "URL of the service. POST /predict takes a ride event."
  value       = local.by_url ? aws_lambda_function_url.this[0].function_url : aws_apigatewayv2_stage.this[0].invoke_url
}

output "caller_policy" {
  description = "The policy for a caller's role in this account, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = [local.invoke_statement] })
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "alias" {
  description = "Alias to invoke."
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

output "access_log_group" {
  description = "Access log of an HTTP API. null: a function URL has no access log."
  value       = one(aws_cloudwatch_log_group.access[*].name)
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment watches them."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables `function`, `throttle`, `cors`, `alarms` and `release` as Terraform read them: with defaults, and without unknown attributes."
  value       = { function = var.function, throttle = var.throttle, cors = var.cors, alarms = var.alarms, release = var.release }
}
