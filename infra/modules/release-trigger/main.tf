# A new champion releases itself: S3 tells EventBridge that champion.json was written, and EventBridge asks GitHub for the release workflow.

locals {
  arn_of = "arn:${var.account.partition}:events:${var.account.region}:${var.account.id}"
  queue  = "${var.name}-failed"
  rules  = { for model in var.models : model => "${var.name}-${model}" }

  rule_arns = [for rule in values(local.rules) : "${local.arn_of}:rule/${rule}"]
  queue_arn = "arn:${var.account.partition}:sqs:${var.account.region}:${var.account.id}:${local.queue}"
}

# The bucket's notifications go to EventBridge since `make bootstrap`. Only the file that names the champion counts, so a release,
# which writes under releases/, never asks for another one.
resource "aws_cloudwatch_event_rule" "champion" {
  for_each = local.rules

  name        = each.value
  description = "Another model of ${each.key} is served: models/${each.key}/champion.json was written"

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = ["models/${each.key}/champion.json"] }
    }
  })
}

resource "aws_cloudwatch_event_target" "dispatch" {
  for_each = aws_cloudwatch_event_rule.champion

  rule     = each.value.name
  arn      = aws_cloudwatch_event_api_destination.dispatches.arn
  role_arn = aws_iam_role.dispatch.arn

  http_target {
    header_parameters = {
      Accept               = "application/vnd.github+json"
      X-GitHub-Api-Version = "2022-11-28"
    }
  }

  # What GitHub hands to the workflow. jsonencode writes < as \u003c, and EventBridge would not find the names that it replaces.
  input_transformer {
    input_paths = {
      etag    = "$.detail.object.etag"
      event   = "$.id"
      version = "$.detail.object.version-id"
    }

    input_template = replace(replace(jsonencode({
      event_type = "champion"
      client_payload = {
        environment = var.environment
        model       = each.key
        champion    = "s3://${var.bucket}/models/${each.key}/champion.json"
        version     = "<version>"
        etag        = "<etag>"
        event       = "<event>"
      }
    }), "\\u003c", "<"), "\\u003e", ">")
  }

  dead_letter_config {
    arn = aws_sqs_queue.failed.arn
  }
}

resource "aws_cloudwatch_event_api_destination" "dispatches" {
  name                             = var.name
  description                      = "The release workflow of ${var.repository}"
  invocation_endpoint              = "${var.api_url}/repos/${var.repository}/dispatches"
  http_method                      = "POST"
  invocation_rate_limit_per_second = 1
  connection_arn                   = aws_cloudwatch_event_connection.github.arn
}

# GitHub's token never reaches Terraform or its state: `make release-token` hands it to EventBridge, which keeps it in a secret of its own.
# An update of the connection would put this word in its place, so Terraform makes none.
resource "aws_cloudwatch_event_connection" "github" {
  #checkov:skip=CKV_SECRET_6: the word says that there is no token yet
  name               = var.name
  description        = "The token of ${var.repository}: make release-token"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "Authorization"
      value = "none yet"
    }
  }

  lifecycle {
    ignore_changes = [auth_parameters, description]
  }
}

resource "aws_iam_role" "dispatch" {
  name                 = var.name
  description          = "Lets the rules of ${var.name} call GitHub"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = local.rule_arns }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "dispatch" {
  name = "dispatch"
  role = aws_iam_role.dispatch.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "AskForTheRelease"
        Effect   = "Allow"
        Action   = ["events:InvokeApiDestination"]
        Resource = ["${local.arn_of}:api-destination/${var.name}/*"] # wildcard: AWS adds an id to the name
      },
    ]
  })
}

# What GitHub did not take in a day: without it nobody would know of the promotion.
resource "aws_sqs_queue" "failed" {
  #checkov:skip=CKV_AWS_27: encrypted with SQS's own key: messages name an object and hold none of its data, and EventBridge needs no leave of a key to send them
  name                      = local.queue
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  redrive_allow_policy      = jsonencode({ redrivePermission = "denyAll" })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "PromotionsNobodyWasToldOf"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = {
          ArnEquals    = { "aws:SourceArn" = local.rule_arns }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"     # a refusal of everybody
        Action    = "sqs:*" # of everything
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

module "alarms" {
  source = "../alarms"

  groups    = { releases = var.name }
  topic_arn = var.alarms.topic_arn

  alarms = merge(
    {
      "releases/failed" = {
        severity  = "ticket", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", dimensions = { QueueName = local.queue }
        threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "GitHub was not told of a new champion, which is not released."
        runbook   = "The message in the queue ${local.queue} says why (401: make release-token); run the workflow deploy by hand, then delete the message."
      }
    },
    merge([for model, rule in local.rules : {
      "releases/refused-${model}" = {
        severity  = "ticket", namespace = "AWS/Events", metric = "FailedInvocations", statistic = "Sum", dimensions = { RuleName = rule }
        threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "GitHub refused to release a new champion of ${model}."
        runbook   = "Look whether the token is valid for ${var.repository} (contents: write); give another by make release-token, and run the workflow deploy by hand."
      }
      "releases/lost-${model}" = {
        severity  = "page", namespace = "AWS/Events", metric = "InvocationsFailedToBeSentToDlq", statistic = "Sum", dimensions = { RuleName = rule }
        threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
        reason    = "A new champion of ${model} is not released, and the queue of failures does not know of it."
        runbook   = "Check the policy of the queue ${local.queue}; run the workflow deploy by hand."
      }
    }]...),
  )
}
