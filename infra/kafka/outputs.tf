output "consumer" {
  description = "The running parts, for operators."
  value = {
    function_name     = module.consumer.function_name
    alias             = module.consumer.alias
    live_version      = module.consumer.live_version
    newest_version    = module.consumer.newest_version
    mapping_id        = module.consumer.mapping_id
    role_arn          = module.consumer.role_arn
    consumer_group    = module.consumer.consumer_group
    security_group_id = module.consumer.security_group_id
    dead_letters      = "s3://${module.failures.name}/${module.failures.dead_letter_prefix}/${var.name}/"
    composite_alarms  = module.consumer.composite_alarms
  }

  precondition {
    condition     = length(local.unknown_attributes) == 0
    error_message = "No attribute is called ${join(", ", local.unknown_attributes)}: infra/modules/kafka-consumer/variables.tf names them all."
  }
}
