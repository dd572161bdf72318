output "until" {
  description = "Latest end of the running canaries, by name of the function."
  value       = { for name, schedule in aws_scheduler_schedule.this : name => schedule.schedule_expression }
}
