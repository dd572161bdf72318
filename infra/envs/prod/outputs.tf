output "system" {
  description = "What operators, `make rollback` and the smoke test ask for; modules/system describes it."
  value       = module.system
}
