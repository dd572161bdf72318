# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }
}

variables {
  name        = "sc-test-archive"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  bucket      = { arn = "arn:aws:s3:::sc-archive", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
  streams = {
    "events"            = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", retention_hours = 168, kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
    "predictions/rides" = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions", retention_hours = 24 }
  }
}

run "each_stream_has_a_folder_by_the_hour_and_one_of_errors_beside_it" {
  assert {
    condition = { for folder, stream in aws_kinesis_firehose_delivery_stream.this : folder => [stream.name, stream.extended_s3_configuration[0].prefix, stream.extended_s3_configuration[0].error_output_prefix] } == {
      "events"            = ["sc-test-archive-events", "events/!{timestamp:yyyy/MM/dd/HH}/", "errors/events/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"]
      "predictions/rides" = ["sc-test-archive-predictions-rides", "predictions/rides/!{timestamp:yyyy/MM/dd/HH}/", "errors/predictions/rides/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"]
    }
    error_message = "Errors within the folder would be read as records."
  }
}

run "a_record_is_a_line_of_a_gzip_file" {
  assert {
    condition = alltrue([for stream in aws_kinesis_firehose_delivery_stream.this : [
      stream.extended_s3_configuration[0].compression_format,
      [for processor in stream.extended_s3_configuration[0].processing_configuration[0].processors : [processor.type, [for one in processor.parameters : "${one.parameter_name} ${one.parameter_value}"]]],
    ] == ["GZIP", [["AppendDelimiterToRecord", ["Delimiter \\n"]]]]])
    error_message = "monitor quality reads lines of files whose names end in .gz, which Firehose gives to gzip."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.this["events"].kinesis_source_configuration[0].kinesis_stream_arn == "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events"
    error_message = "Firehose reads the stream; nobody puts anything twice."
  }
}

run "it_pages_before_a_stream_expires_what_is_in_no_archive" {
  assert {
    condition = { for key, alarm in module.alarms.watched : key => alarm if startswith(key, "archive/behind") || key == "archive/failed-events" } == {
      "archive/behind-events"            = "AWS/Firehose KinesisMillisBehindLatest {\"DeliveryStreamName\":\"sc-test-archive-events\"}"
      "archive/behind-predictions-rides" = "AWS/Firehose KinesisMillisBehindLatest {\"DeliveryStreamName\":\"sc-test-archive-predictions-rides\"}"
      "archive/failed-events"            = "AWS/Firehose DeliveryToS3.Success {\"DeliveryStreamName\":\"sc-test-archive-events\"}"
    }
    error_message = "Each delivery stream has its own alarms."
  }

  assert {
    condition     = length(module.alarms.watched) == 6 && toset(module.alarms.composite_alarms) == toset(["sc-test-archive-page", "sc-test-archive-ticket"])
    error_message = "Three alarms a stream, two mails."
  }
}
