output "consumers" {
  description = "What runs, by consumer: for operators, `make rollback` and the smoke test."
  value = { for name, consumer in module.consumer : name => {
    function_name  = consumer.function_name
    alias          = consumer.alias
    live_version   = consumer.live_version
    newest_version = consumer.newest_version
    mapping_id     = consumer.mapping_id
    output_stream  = local.output_names[name]
    dead_letters   = "s3://${module.failures.name}/${module.failures.dead_letter_prefix}/${name}/"
    ordered        = var.consumers[name].ordered
  } }
}

output "input_stream" {
  description = "Where producers put rides."
  value       = module.input.stream.name
}

output "registry_url" {
  description = "Where the image is pushed."
  value       = module.registry.url
}

output "image_digest" {
  description = "The image that is deployed."
  value       = var.image_digest
}

output "architecture" {
  description = "What the image was built for."
  value       = var.architecture
}

output "models_uri" {
  description = "Where models go."
  value       = module.models.models_uri
}

output "failures_bucket" {
  description = "Where dead letters and on-failure documents are."
  value       = module.failures.name
}

output "composite_alarms" {
  description = "Names of the alarms that a deployment watches."
  value       = module.observability.composite_alarms
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.observability.dashboard
}

output "region" {
  description = "Where it runs."
  value       = var.account.region
}
