# An archive that falls behind its stream loses what the stream expires.

locals {
  dimensions = { for folder, name in local.names : folder => { DeliveryStreamName = name } }
}

module "alarms" {
  source = "../alarms"

  groups    = { archive = var.name }
  topic_arn = var.topic_arn

  alarms = merge([for folder, stream in var.streams : {
    for alarm, definition in {
      behind = {
        severity  = "page", namespace = "AWS/Firehose", metric = "KinesisMillisBehindLatest", dimensions = local.dimensions[folder], statistic = "Maximum"
        threshold = stream.retention_hours * 1800000, period = 300, periods = 3, breaching = 3
        reason    = "The archive of ${stream.name} is behind by half of the ${stream.retention_hours} hours that the stream keeps; expired records are in no archive."
        runbook   = "Correct the fault in the log group ${local.log}: the role ${local.names[folder]}, the key, the bucket. Firehose continues by itself."
      }
      late = {
        severity  = "ticket", namespace = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = local.dimensions[folder], statistic = "Maximum"
        threshold = 3600, period = 300, periods = 3, breaching = 3
        reason    = "Records of ${stream.name} have waited for more than an hour to be archived; a daily run of monitor quality does not see them."
        runbook   = "Read the log group ${local.log}; once the archive has caught up, run monitor quality again with --day."
      }
      failed = {
        severity  = "ticket", expression = "1 - success"
        over      = { success = { namespace = "AWS/Firehose", metric = "DeliveryToS3.Success", statistic = "Average", dimensions = local.dimensions[folder] } }
        threshold = 0, period = 300, periods = 3, breaching = 3
        reason    = "S3 refuses archive files of ${stream.name}; Firehose tries for a day, and stops reading the stream meanwhile."
        runbook   = "Read the log group ${local.log}: mostly the bucket's policy, the key's, or the role ${local.names[folder]}."
      }
    } : "archive/${alarm}-${replace(folder, "/", "-")}" => merge(definition, { missing = "notBreaching" })
  }]...)
}
