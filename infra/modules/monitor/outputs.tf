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
  description = "Where the profiles of windows are, for `stream-consumer monitor report --profiles`."
  value       = "s3://${var.profiles.bucket}/${var.profiles.prefix}"
}

output "schedule" {
  description = "The schedule of the judgement, in the group that is named as the function."
  value       = aws_scheduler_schedule.judgement.name
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment does not watch them: a model that is released because of drift would be taken back for it."
  value       = module.alarms.composite_alarms
}

output "widgets" {
  description = "Rows of the dashboard, as `widgets` of modules/observability takes them: drift by column, and the monitor's health."
  value       = local.widgets
}

output "taken" {
  description = "The variables `function`, `mapping` and `judgement` as they were taken: with their defaults, and without attributes of another name."
  value       = { function = var.function, mapping = var.mapping, judgement = var.judgement }
}
