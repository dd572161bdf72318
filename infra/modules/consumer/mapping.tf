# How Lambda reads the stream. What it does when a batch fails is written in docs/event-source-mapping.md.

resource "aws_lambda_event_source_mapping" "this" {
  function_name    = module.function.alias_arn
  event_source_arn = var.input_stream.fan_out == null ? var.input_stream.arn : var.input_stream.fan_out.arn
  enabled          = var.mapping.enabled

  batch_size                         = var.mapping.batch_size
  maximum_batching_window_in_seconds = var.mapping.window_seconds
  parallelization_factor             = var.mapping.parallelization_factor
  starting_position                  = var.mapping.starting_position
  starting_position_timestamp        = var.mapping.starting_timestamp

  # Without the response type Lambda ignores the handler's answer, and every failure becomes a silent success.
  function_response_types        = ["ReportBatchItemFailures"]
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = var.mapping.maximum_retry_attempts
  maximum_record_age_in_seconds  = var.mapping.maximum_record_age_seconds

  destination_config {
    on_failure {
      destination_arn = var.dead_letters.bucket_arn # only S3 documents carry the records themselves
    }
  }

  metrics_config {
    metrics = ["EventCount"]
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
