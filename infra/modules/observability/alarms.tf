# The alarms of the consumers, and the topic that every alarm of the system tells.

locals {
  alarms = merge([for key, c in var.consumers : {
    for alarm, definition in {
      iterator-age = {
        severity  = "page", namespace = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", dimensions = local.alias_dimensions[key]
        threshold = c.alarms.iterator_age_seconds * 1000, period = 60, periods = 5, breaching = 5, missing = "notBreaching"
        reason    = "The consumer is behind by more than ${c.alarms.iterator_age_seconds} s and not catching up; records older than ${c.maximum_record_age_seconds} s are given up."
        runbook   = "If Errors or Throttles rose too, fix those first; else raise mapping.parallelization_factor or the shards (docs/capacity.md)."
      }
      errors = {
        severity  = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = local.alias_dimensions[key]
        threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
        reason    = "Whole batches fail: init does not succeed, nothing can be written, or the function runs out of time or memory."
        runbook   = "Run the saved query errors-by-version; after a deployment, roll back: make rollback ENV=…"
      }
      throttles = {
        severity  = "page", namespace = "AWS/Lambda", metric = "Throttles", statistic = "Sum", dimensions = local.alias_dimensions[key]
        threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
        reason    = "Batches wait because no environment may start; records grow older meanwhile."
        runbook   = "Raise function.reserved_concurrency, or the account's limit if the pool is empty."
      }
      duration = {
        severity  = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "Maximum", dimensions = local.alias_dimensions[key]
        threshold = floor(c.timeout_seconds * 1000 * c.alarms.duration_share), period = 300, periods = 3, breaching = 2, missing = "notBreaching"
        reason    = "Batches come near the timeout of ${c.timeout_seconds} s, after which they fail and are retried."
        runbook   = "The saved query slow-batches shows whether the model or the output stream takes the time, memory and cold-starts show other causes; lower mapping.batch_size, or raise function.memory_mb or timeout_seconds."
      }
      dead-letters = {
        severity  = "ticket", namespace = "StreamConsumer", metric = "DeadLetters", statistic = "Sum", dimensions = local.service_dimensions[key]
        threshold = c.alarms.dead_letters, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "Events were invalid: a producer sends events that the model's signature does not allow."
        runbook   = "Run the saved query dead-letter-reasons, then stream-consumer dead-letters list and show; tell the producer; redrive records that can be corrected."
      }
      on-failure = {
        severity  = "page", namespace = "AWS/Lambda", metric = "OnFailureDestinationDeliveredEventCount", statistic = "Sum", dimensions = local.mapping_dimensions[key]
        threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "The mapping gave records up after their retries or their age; they are in the failures bucket under aws/lambda/."
        runbook   = "Run the saved queries redeliveries and errors-by-version; correct the fault, then stream-consumer dead-letters redrive."
      }
      dropped = {
        severity  = "page", namespace = "AWS/Lambda", metric = "DroppedEventCount", statistic = "Sum", dimensions = local.mapping_dimensions[key]
        threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "The mapping dropped records. Records without a document in the failures bucket are only on the stream, until its retention ends."
        runbook   = "Note the time; stream-consumer replay that range of the stream before its retention ends."
      }
      destination-failures = {
        severity  = "page", namespace = "AWS/Lambda", metric = "DestinationDeliveryFailures", statistic = "Sum", dimensions = local.function_dimensions[key]
        threshold = 0, period = 60, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "Lambda could not write an on-failure document: such records can be lost."
        runbook   = "Check the failures bucket, its policy, the key's policy and the role; then replay the range."
      }
      output-throttled = {
        severity  = "ticket", namespace = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", statistic = "Sum", dimensions = { StreamName = c.output_stream_name }
        threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
        reason    = "The output stream rejects predictions; they are sent again, and the batch takes longer."
        runbook   = "Give the output stream more shards, or on-demand capacity."
      }
      stalled = {
        # The metric may be missing when nothing is received, and counts as 0 in a sum with one that is not.
        severity = "page", expression = "IF(incoming > 0 AND incoming * 0 + FILL(received, 0) < 1, 1, 0)"
        over = {
          incoming = { namespace = "AWS/Kinesis", metric = "IncomingRecords", statistic = "Sum", dimensions = { StreamName = var.input_stream.name } }
          received = c.filtered ? { namespace = "AWS/Lambda", metric = "PolledEventCount", statistic = "Sum", dimensions = local.mapping_dimensions[key] } : { namespace = "StreamConsumer", metric = "RecordsReceived", statistic = "Sum", dimensions = local.service_dimensions[key] }
        }
        threshold = 0, period = 60, periods = 5 + floor(c.window_seconds / 60), breaching = 5 + floor(c.window_seconds / 60), missing = "notBreaching"
        reason    = "Records came onto the stream in each minute, and the consumer received none: the mapping stands still, and records grow old."
        runbook   = "Look at the mapping's State and LastProcessingResult (aws lambda get-event-source-mapping): enable it, or correct the fault that it names."
      }
      no-data = {
        severity  = "ticket", namespace = "StreamConsumer", metric = "RecordsReceived", statistic = "Sum", dimensions = local.service_dimensions[key]
        threshold = 1, period = max(c.alarms.no_data_minutes, 5) * 60, periods = 1, breaching = 1, missing = "breaching"
        reason    = "Nothing arrived for ${c.alarms.no_data_minutes} minutes: producers stopped, or the mapping is disabled."
        runbook   = "Look at the input stream's IncomingRecords, then at the mapping's state."
      }
    } : "${key}/${alarm}" => definition
    if alarm != "no-data" || c.alarms.no_data_minutes > 0
  }]...)

  # A mapping on an alias reports under the alias (Resource), and an alarm on the bare function would add up all aliases.
  alias_dimensions    = { for key, c in var.consumers : key => { FunctionName = c.function_name, Resource = "${c.function_name}:${c.alias}" } }
  function_dimensions = { for key, c in var.consumers : key => { FunctionName = c.function_name } }
  mapping_dimensions  = { for key, c in var.consumers : key => { EventSourceMappingUUID = c.mapping_id } }
  service_dimensions  = { for key, c in var.consumers : key => { service = c.function_name } }
}

module "alarms" {
  source = "../alarms"

  groups    = { for key, c in var.consumers : key => c.function_name }
  alarms    = local.alarms
  topic_arn = aws_sns_topic.alarms.arn
}

moved {
  from = aws_cloudwatch_metric_alarm.this
  to   = module.alarms.aws_cloudwatch_metric_alarm.this
}

moved {
  from = aws_cloudwatch_composite_alarm.this
  to   = module.alarms.aws_cloudwatch_composite_alarm.this
}

resource "aws_cloudwatch_metric_alarm" "read_throttled" {
  alarm_name          = "${var.name}-read-throttled"
  alarm_description   = "The consumers together read more than 2 MB/s or 5 times a second from a shard. → Give one of them enhanced_fan_out = true, or the stream more shards."
  namespace           = "AWS/Kinesis"
  metric_name         = "ReadProvisionedThroughputExceeded"
  dimensions          = { StreamName = var.input_stream.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 15
  datapoints_to_alarm = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account.id } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}
