# A consumer of a Kafka topic: the function, the mapping that reads the topic of your Amazon MSK or your own cluster, what both may do, and their alarms. It runs no cluster.

locals {
  # Amazon MSK has an ARN, a cluster of your own has none.
  is_msk   = var.cluster.arn != null
  to_topic = var.output.topic != null

  topic_settings = local.to_topic ? { for name, value in {
    PREDICTIONS_TOPIC    = var.output.topic
    KAFKA_BROKERS        = join(",", var.cluster.brokers)
    KAFKA_AUTHENTICATION = var.cluster.authentication
    KAFKA_SECRET_ARN     = var.cluster.secret_arn
    KAFKA_CA_SECRET_ARN  = var.cluster.ca_secret_arn
  } : name => value if value != null } : {}

  stream_settings = { for stream in var.output.stream[*] : "PREDICTIONS_STREAM_NAME" => stream.name }
}

module "model" {
  source = "../model-access"

  account = var.account
  model   = var.model
}

module "function" {
  source = "../function"

  name         = var.name
  description  = "Scores ${var.topic} onto ${local.to_topic ? var.output.topic : var.output.stream.name}"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  function     = var.function
  policies     = local.policies
  roles        = var.roles
  vpc          = one([for network in var.network[*] : { subnet_ids = network.subnet_ids, security_group_ids = [aws_security_group.this[0].id] }])
  release      = var.release

  environment = merge(
    var.environment,
    {
      # Only a mapping with pollers of its own heeds a partial response. Any other takes each for a success.
      KAFKA_PARTIAL_RESPONSE = tostring(var.mapping.provisioned)
      DEAD_LETTER_BUCKET     = var.dead_letters.bucket
      DEAD_LETTER_PREFIX     = var.dead_letters.prefix
    },
    local.topic_settings,
    local.stream_settings,
    module.model.environment,
  )
}
