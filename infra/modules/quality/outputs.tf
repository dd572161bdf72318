output "function_name" {
  description = "Name of the function; it takes {\"day\": \"yyyy-mm-dd\"} to judge another day."
  value       = module.function.name
}

output "alias" {
  description = "Alias that the schedule invokes."
  value       = module.function.alias
}

output "schedule" {
  description = "Name of the schedule, and of its group."
  value       = aws_scheduler_schedule.this.name
}

output "results" {
  description = "Location of the results, a file for each day."
  value       = local.settings.QUALITY_RESULTS
}

output "composite_alarms" {
  description = "Names of the composite alarms. A deployment does not watch them, since it may be the remedy for a ringing model."
  value       = module.alarms.composite_alarms
}
