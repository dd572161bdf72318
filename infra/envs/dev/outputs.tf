output "system" {
  description = "Facts for operators, `make rollback` and the smoke test, described in modules/system."
  value       = module.system
}
