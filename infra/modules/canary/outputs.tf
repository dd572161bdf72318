output "until" {
  description = "When the canaries that run end at the latest, by name of the function."
  value       = { for name, schedule in aws_scheduler_schedule.this : name => schedule.schedule_expression }
}
