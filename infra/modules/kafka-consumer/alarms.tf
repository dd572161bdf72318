# What readers of the predictions notice, and what will make them.

locals {
  # OffsetLag and what becomes of documents are of the function, the counts of events of the mapping, whose pollers alone have them.
  of_function = { FunctionName = var.name }
  of_mapping  = { EventSourceMappingUUID = aws_lambda_event_source_mapping.this.uuid }
  of_service  = { service = var.name }

  always = {
    offset-lag = {
      severity  = "page", namespace = "AWS/Lambda", metric = "OffsetLag", statistic = "Maximum", dimensions = local.of_function
      threshold = var.alarms.offset_lag, period = 60, periods = 5, breaching = 5, missing = "notBreaching"
      reason    = "The consumer is behind by more than ${var.alarms.offset_lag} records of a topic and not catching up."
      runbook   = "If errors or throttles rose too, fix those first; else raise mapping.pollers.maximum and, up to the pollers that a topic can use, its partitions."
    }
    errors = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = module.function.dimensions
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "Whole batches fail: init does not succeed, nothing can be written, or the function runs out of time or memory."
      runbook   = "Read the newest ERROR in the log group, which names the brokers and the remedy; after a deployment, set release to the version before."
    }
    throttles = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Throttles", statistic = "Sum", dimensions = module.function.dimensions
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "Batches wait because no environment may start; the lag grows meanwhile."
      runbook   = "Raise function.reserved_concurrency, or the account's limit if the pool is empty."
    }
    duration = {
      severity  = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "Maximum", dimensions = module.function.dimensions
      threshold = floor(var.function.timeout_seconds * 1000 * var.alarms.duration_share), period = 300, periods = 3, breaching = 2, missing = "notBreaching"
      reason    = "Batches come near the timeout of ${var.function.timeout_seconds} s, after which they fail and are retried."
      runbook   = "Compare the metrics ModelTime and PublishTime; lower mapping.batch_size, or raise function.memory_mb or timeout_seconds."
    }
    dead-letters = {
      severity  = "ticket", namespace = "StreamConsumer", metric = "DeadLetters", statistic = "Sum", dimensions = local.of_service
      threshold = var.alarms.dead_letters, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "Events were invalid: a producer sends events that the model's signature does not allow."
      runbook   = "stream-consumer dead-letters list, then show; tell the producer."
    }
    destination-failures = {
      severity  = "page", namespace = "AWS/Lambda", metric = "DestinationDeliveryFailures", statistic = "Sum", dimensions = local.of_function
      threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "Lambda could not write an on-failure document: such records can be lost."
      runbook   = "Check the failures bucket, its policy, the key's policy, the role, and the endpoint of S3 in the cluster's VPC; the records are on the topic until its retention ends."
    }
    no-data = {
      severity  = "ticket", namespace = "StreamConsumer", metric = "RecordsReceived", statistic = "Sum", dimensions = local.of_service
      threshold = 1, period = max(var.alarms.no_data_minutes, 5) * 60, periods = 1, breaching = 1, missing = "breaching"
      reason    = "Nothing arrived for ${var.alarms.no_data_minutes} minutes: producers stopped, or the mapping cannot read the topic."
      runbook   = "Look at the mapping's State and LastProcessingResult (aws lambda get-event-source-mapping): enable it, or correct the network, the authentication or the topic that it names."
    }
  }

  by_pollers = {
    on-failure = {
      severity  = "page", namespace = "AWS/Lambda", metric = "OnFailureDestinationDeliveredEventCount", statistic = "Sum", dimensions = local.of_mapping
      threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "The mapping gave records up after their retries or their age; they are in the failures bucket under ${var.dead_letters.on_failure_prefix}/."
      runbook   = "Correct the errors; stream-consumer dead-letters list and show find the records."
    }
    dropped = {
      severity  = "page", namespace = "AWS/Lambda", metric = "DroppedEventCount", statistic = "Sum", dimensions = local.of_mapping
      threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "The mapping dropped records. Records without a document in the failures bucket are only on the topic, until its retention ends."
      runbook   = "Note the time, and read that range of the topic again under another consumer_group before its retention ends."
    }
  }

  output_throttled = {
    severity  = "ticket", namespace = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", statistic = "Sum", dimensions = { StreamName = try(var.output.stream.name, null) }
    threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
    reason    = "The output stream rejects predictions; they are sent again, and the batch takes longer."
    runbook   = "Give the output stream more shards, or on-demand capacity."
  }
}

module "alarms" {
  source = "../alarms"

  groups    = { kafka = var.name }
  topic_arn = var.alarms.topic_arn

  alarms = merge(
    { for alarm, definition in local.always : "kafka/${alarm}" => definition if alarm != "no-data" || var.alarms.no_data_minutes > 0 },
    { for alarm, definition in local.by_pollers : "kafka/${alarm}" => definition if var.mapping.provisioned },
    { for stream in var.output.stream[*] : "kafka/output-throttled" => local.output_throttled },
  )
}
