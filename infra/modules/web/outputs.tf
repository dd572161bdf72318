output "url" {
  description = "Where to ask; POST /predict takes a ride event."
  value       = local.by_url ? aws_lambda_function_url.this[0].function_url : aws_apigatewayv2_stage.this[0].invoke_url
}

output "caller_policy" {
  description = "The policy that a caller's role of this account needs, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = [local.invoke_statement] })
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "alias" {
  description = "Alias that is invoked."
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
  description = "Where an HTTP API writes a line for each request; null for a function URL, which has none."
  value       = one(aws_cloudwatch_log_group.access[*].name)
}

output "composite_alarms" {
  description = "Names of the composite alarms, which a deployment watches."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables `function`, `throttle`, `cors`, `alarms` and `release` as they were taken: with their defaults, and without attributes of another name."
  value       = { function = var.function, throttle = var.throttle, cors = var.cors, alarms = var.alarms, release = var.release }
}
