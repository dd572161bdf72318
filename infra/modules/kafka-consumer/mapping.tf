# How Lambda reads the topic. docs/kafka.md says what becomes of a batch that fails, with pollers of its own and without.

locals {
  # Source: AWS Lambda API reference, "SourceAccessConfiguration". IAM and plain TLS name no secret.
  secret_kinds = {
    scram-sha-512 = "SASL_SCRAM_512_AUTH"
    scram-sha-256 = "SASL_SCRAM_256_AUTH"
    plain         = "BASIC_AUTH"
    mtls          = "CLIENT_CERTIFICATE_TLS_AUTH"
  }

  # The mapping of a cluster of your own reads it from the function's subnets, that of Amazon MSK from the cluster's.
  own_network = local.is_msk ? [] : flatten([for network in var.network[*] : concat(
    [for id in sort(network.subnet_ids) : { type = "VPC_SUBNET", uri = "subnet:${id}" }],
    [{ type = "VPC_SECURITY_GROUP", uri = "security_group:${aws_security_group.this[0].id}" }],
  )])

  source_access = concat(
    [for arn in var.cluster.secret_arn[*] : { type = local.secret_kinds[var.cluster.authentication], uri = arn }],
    [for arn in var.cluster.ca_secret_arn[*] : { type = "SERVER_ROOT_CA_CERTIFICATE", uri = arn } if !local.is_msk],
    local.own_network,
  )
}

resource "aws_lambda_event_source_mapping" "this" {
  function_name    = module.function.alias_arn
  event_source_arn = var.cluster.arn
  topics           = [var.topic]
  enabled          = var.mapping.enabled

  batch_size                         = var.mapping.batch_size
  maximum_batching_window_in_seconds = var.mapping.window_seconds
  starting_position                  = var.mapping.starting_position
  starting_position_timestamp        = var.mapping.starting_timestamp

  # Retries, age, bisecting and partial responses exist in provisioned mode only.
  function_response_types        = var.mapping.provisioned ? ["ReportBatchItemFailures"] : null
  bisect_batch_on_function_error = var.mapping.provisioned ? true : null
  maximum_retry_attempts         = var.mapping.provisioned ? var.mapping.maximum_retry_attempts : null
  maximum_record_age_in_seconds  = var.mapping.provisioned ? var.mapping.maximum_record_age_seconds : null

  dynamic "provisioned_poller_config" {
    for_each = var.mapping.provisioned ? [var.mapping.pollers] : []

    content {
      minimum_pollers = provisioned_poller_config.value.minimum
      maximum_pollers = provisioned_poller_config.value.maximum
    }
  }

  dynamic "self_managed_event_source" {
    for_each = local.is_msk ? [] : [1]

    content {
      endpoints = { KAFKA_BOOTSTRAP_SERVERS = join(",", var.cluster.brokers) }
    }
  }

  dynamic "amazon_managed_kafka_event_source_config" {
    for_each = local.is_msk ? [1] : []

    content {
      consumer_group_id = local.consumer_group
    }
  }

  dynamic "self_managed_kafka_event_source_config" {
    for_each = local.is_msk ? [] : [1]

    content {
      consumer_group_id = local.consumer_group
    }
  }

  dynamic "source_access_configuration" {
    for_each = local.source_access

    content {
      type = source_access_configuration.value.type
      uri  = source_access_configuration.value.uri
    }
  }

  destination_config {
    on_failure {
      destination_arn = var.dead_letters.bucket_arn # only S3 documents carry the records themselves
    }
  }

  dynamic "metrics_config" {
    for_each = var.mapping.provisioned ? [1] : []

    content {
      metrics = ["EventCount"]
    }
  }

  dynamic "filter_criteria" {
    for_each = length(var.mapping.filter_patterns) > 0 ? [1] : []

    content {
      dynamic "filter" {
        for_each = var.mapping.filter_patterns

        content {
          pattern = filter.value
        }
      }
    }
  }
}
