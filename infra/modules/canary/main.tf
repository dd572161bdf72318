# What ends a canary that nobody ends: a schedule for each, which takes the new version's share away at a time that was set before.

locals {
  functions_arn = "arn:${var.account.partition}:lambda:${var.account.region}:${var.account.id}:function:"
  group_arn     = "arn:${var.account.partition}:scheduler:${var.account.region}:${var.account.id}:schedule-group/${var.name}"
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  for_each = var.until

  name                = each.key
  description         = "Ends the canary of ${each.key}"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "at(${formatdate("YYYY-MM-DD'T'hh:mm:ss", each.value)})"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${var.account.partition}:scheduler:::aws-sdk:lambda:updateAlias"
    role_arn = aws_iam_role.this.arn

    # Without a FunctionVersion the alias keeps the one that it has, whenever this is delivered.
    input = jsonencode({
      FunctionName  = each.key
      Name          = "live"
      RoutingConfig = { AdditionalVersionWeights = {} }
    })

    retry_policy {
      maximum_retry_attempts       = 10
      maximum_event_age_in_seconds = 900
    }
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "Ends canaries: what the schedules of ${var.name} may do"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "scheduler.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account.id, "aws:SourceArn" = local.group_arn } }
      },
    ]
  })
}

# AWS asks for the function here, and knows no narrower resource for one alias.
# Source: IAM service authorization reference, "Actions, resources, and condition keys for AWS Lambda".
resource "aws_iam_role_policy" "this" {
  name = "end-canaries"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeSharesAway"
        Effect   = "Allow"
        Action   = ["lambda:UpdateAlias"]
        Resource = [for name in sort(var.functions) : "${local.functions_arn}${name}"]
      },
    ]
  })
}
