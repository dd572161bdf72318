output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "alias" {
  description = "Alias that the mapping invokes."
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

output "mapping_id" {
  description = "UUID of the event source mapping."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "role_arn" {
  description = "Role of the function and of its mapping, for the cluster's ACLs."
  value       = module.function.role_arn
}

output "consumer_group" {
  description = "Consumer group with the mapping's offsets."
  value       = local.consumer_group
}

output "security_group_id" {
  description = "Security group of the function. The brokers' security group must allow it. null: no VPC."
  value       = one(aws_security_group.this[*].id)
}

output "composite_alarms" {
  description = "Names of the alarms with receivers."
  value       = module.alarms.composite_alarms
}

output "taken" {
  description = "The variables as Terraform read them, without unknown attributes."
  value = {
    cluster  = var.cluster
    network  = var.network
    function = var.function
    mapping  = var.mapping
    output   = var.output
    model    = var.model
    alarms   = var.alarms
  }
}
