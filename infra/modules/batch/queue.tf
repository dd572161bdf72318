# What is to be scored: a message for each object that arrived, and where it ends if it cannot be scored.

locals {
  queues = {
    work = {
      name      = var.name
      retention = var.queue.retention_seconds
      senders   = [{ sid = "ObjectsThatArrived", service = "s3.amazonaws.com", source = local.input_arn }]
    }
    dead-letters = {
      name      = "${var.name}-dead-letters"
      retention = var.queue.keep_seconds
      senders   = []
    }
    # Runs that AWS would not start, and tasks that ended badly: without it nobody would know of either.
    failed-runs = {
      name      = "${var.name}-failed-runs"
      retention = var.queue.keep_seconds
      senders   = [{ sid = "TasksThatEndedBadly", service = "events.amazonaws.com", source = "${local.arn.events}${var.name}-failed-tasks" }]
    }
  }

  queue_arns = { for key, queue in local.queues : key => "${local.arn.sqs}${queue.name}" }

  queue_policies = { for key, queue in local.queues : key => jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for sender in queue.senders :
        {
          Sid       = sender.sid
          Effect    = "Allow"
          Principal = { Service = sender.service }
          Action    = "sqs:SendMessage"
          Resource  = local.queue_arns[key]
          Condition = {
            ArnEquals    = { "aws:SourceArn" = sender.source }
            StringEquals = { "aws:SourceAccount" = var.account.id }
          }
        }
      ],
      [
        {
          Sid       = "TlsOnly"
          Effect    = "Deny"
          Principal = "*"     # a refusal of everybody
          Action    = "sqs:*" # of everything
          Resource  = local.queue_arns[key]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
      ],
    )
  }) }
}

resource "aws_sqs_queue" "work" {
  #checkov:skip=CKV_AWS_27: encrypted with SQS's own key: messages name objects and hold none of their data, and S3 needs no leave of a key to send them
  name                       = local.queues["work"].name
  sqs_managed_sse_enabled    = true
  message_retention_seconds  = local.queues["work"].retention
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = var.queue.visibility_seconds
  policy                     = local.queue_policies["work"]
  redrive_allow_policy       = jsonencode({ redrivePermission = "denyAll" })

  # SQS refuses it while there is no dead-letter queue.
  depends_on = [aws_sqs_queue.kept]

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.queue_arns["dead-letters"]
    maxReceiveCount     = var.queue.max_receives
  })
}

resource "aws_sqs_queue" "kept" {
  #checkov:skip=CKV_AWS_27: encrypted with SQS's own key: messages name objects and hold none of their data, and S3 needs no leave of a key to send them
  for_each = { for key, queue in local.queues : key => queue if key != "work" }

  name                      = each.value.name
  sqs_managed_sse_enabled   = true
  message_retention_seconds = each.value.retention
  policy                    = local.queue_policies[each.key]

  redrive_allow_policy = jsonencode(merge(
    { redrivePermission = each.key == "dead-letters" ? "byQueue" : "denyAll" },
    each.key == "dead-letters" ? { sourceQueueArns = [local.queue_arns["work"]] } : {},
  ))
}

# S3 tries the queue when it is told of it, so the queue and its policy must be there first.
resource "aws_s3_bucket_notification" "arrivals" {
  count = local.on_arrival && var.input.owns_notifications ? 1 : 0

  bucket     = var.input.bucket
  depends_on = [aws_sqs_queue.work]

  queue {
    id            = var.name
    queue_arn     = local.queue_arns["work"]
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.input.prefix
    filter_suffix = var.input.suffix
  }
}
