output "system" {
  description = "What operators, `make rollback` and the smoke test ask for; modules/system describes it."
  value       = module.system
}

# Apart, so that it is there when only the registry is: the first deployment pushes the image before it makes the rest.
output "registry_url" {
  description = "Where the image is pushed."
  value       = module.system.registry_url
}
