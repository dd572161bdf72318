output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "alias" {
  description = "Alias that the mapping and the schedule invoke."
  value       = module.function.alias
}

output "mapping_id" {
  description = "UUID of the event source mapping."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "role_arn" {
  description = "Role of the function."
  value       = module.function.role_arn
}

output "settings" {
  description = "The function's environment variables."
  value       = module.function.settings
}

output "profiles" {
  description = "Location of the profiles of windows, for `stream-consumer monitor report --profiles`."
  value       = "s3://${var.profiles.bucket}/${var.profiles.prefix}"
}

output "schedule" {
  description = "The schedule of the judgement, in the group with the name of the function."
  value       = aws_scheduler_schedule.judgement.name
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment does not watch them. Otherwise a release because of drift would be rolled back."
  value       = module.alarms.composite_alarms
}

output "widgets" {
  description = "Rows of the dashboard, for `widgets` of modules/observability: drift by column, and the monitor's health."
  value       = local.widgets
}

output "taken" {
  description = "The variables `function`, `mapping` and `judgement` as Terraform read them: with defaults, and without unknown attributes."
  value       = { function = var.function, mapping = var.mapping, judgement = var.judgement }
}
