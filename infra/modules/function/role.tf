# What the function may do, and nothing else: what its user says, and to write its own logs.

locals {
  log_group_arn = "arn:${var.account.partition}:logs:${var.account.region}:${var.account.id}:log-group:/aws/lambda/${var.name}"
  function_arn  = "arn:${var.account.partition}:lambda:${var.account.region}:${var.account.id}:function:${var.name}"

  trace = {
    Sid      = "SendTraces"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = ["*"] # wildcard: AWS knows no narrower one
  }

  # Source: AWS managed policy CloudWatchLambdaInsightsExecutionRolePolicy, for the region of the function.
  insights_arn = "arn:${var.account.partition}:logs:${var.account.region}:${var.account.id}:log-group:/aws/lambda-insights"
  insights = [
    {
      Sid      = "OpenTheLogGroupOfInsights"
      Effect   = "Allow"
      Action   = ["logs:CreateLogGroup"]
      Resource = [local.insights_arn, "${local.insights_arn}:*"] # wildcard: AWS writes the name of a group in both ways
    },
    {
      Sid      = "WriteInsights"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${local.insights_arn}:*"] # wildcard: the extension names the log streams
    },
  ]

  # Lambda itself makes the interfaces, by the function's role; its code may not.
  # Source: AWS Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC".
  interface_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]

  network = [
    {
      Sid      = "ManageInterfaces"
      Effect   = "Allow"
      Action   = local.interface_actions
      Resource = ["*"] # wildcard: Lambda names the interfaces, and AWS asks it of the describing actions
    },
    {
      Sid       = "NotByTheCode"
      Effect    = "Deny"
      Action    = local.interface_actions
      Resource  = ["*"] # wildcard: nothing of it
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
    },
  ]

  own_logs = {
    Sid      = "WriteOwnLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["${local.log_group_arn}:*"] # wildcard: Lambda names the log streams
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "Runs the function ${var.name}"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  #checkov:skip=CKV_AWS_290: in a VPC Lambda makes interfaces that it names itself, and an explicit denial keeps the code from it; infra/tests/policies.py tries every action
  for_each = merge({ logs = [local.own_logs] }, var.function.tracing ? { trace = [local.trace] } : {}, var.function.insights ? { insights = local.insights } : {}, { for vpc in var.vpc[*] : "network" => local.network }, var.policies)

  name   = each.key
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}
