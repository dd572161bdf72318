# The role that GitHub's workflows deploy with. ../operations.json lists what a deployment does; here stands what it does it to.

locals {
  deploys      = var.github_repository != null
  github       = "token.actions.githubusercontent.com"
  provider_arn = "arn:aws:iam::${var.account_id}:oidc-provider/${local.github}"
}

# An account has one for all its environments; the first that is bootstrapped makes it.
resource "aws_iam_openid_connect_provider" "github" {
  count = local.deploys && var.makes_github_provider ? 1 : 0

  url            = "https://${local.github}"
  client_id_list = ["sts.amazonaws.com"]

  lifecycle {
    prevent_destroy = true
  }
}

# Its name is not one of <name>-<environment>-…, for those it may change.
resource "aws_iam_role" "deploy" {
  #checkov:skip=CKV_AWS_393: checkov does not know the variable, whose rule asks for owner/name; `make infra-test` evaluates the trust
  count = local.deploys ? 1 : 0

  name                 = "${var.name}-deploy-${var.environment}"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary
  max_session_duration = 7200 # a build, a plan and an hour of canary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Federated = local.provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${local.github}:aud" = "sts.amazonaws.com"
            "${local.github}:sub" = "repo:${var.github_repository}:environment:${var.environment}"
          }
        }
      },
    ]
  })
}

locals {
  region_arn = "${var.region}:${var.account_id}"

  # By the names that operations.json gives them: what a deployment may touch, and when.
  deploy_resources = merge({
    "anything"            = { arns = ["*"] } # wildcard: AWS knows no narrower one for these
    "state"               = { arns = [for end in ["", ".tflock"] : "arn:aws:s3:::${local.state_bucket}/${var.name}/${var.environment}.tfstate${end}"] }
    "bucket of the state" = { arns = ["arn:aws:s3:::${local.state_bucket}"] }
    "bucket of models"    = { arns = ["arn:aws:s3:::${local.models_bucket}"], condition = { StringLike = { "s3:prefix" = ["models/*"] } } }
    "model"               = { arns = ["arn:aws:s3:::${local.models_bucket}/models/*"] } # wildcard: the files of models
    "record of releases"  = { arns = ["arn:aws:s3:::${local.models_bucket}/releases/*"] }
    "folder of releases"  = { arns = ["arn:aws:s3:::${local.models_bucket}"], condition = { StringLike = { "s3:prefix" = ["releases/*"] } } }
    "repository"          = { arns = [for name in local.repositories : "arn:aws:ecr:${local.region_arn}:repository/${name}"] }

    # wildcard, from here on: the environment's own names, which come and go
    "stream"                    = { arns = [for name in local.stream_names : "arn:aws:kinesis:${local.region_arn}:stream/${name}"] }
    "fan-out consumer"          = { arns = [for name in local.stream_names : "arn:aws:kinesis:${local.region_arn}:stream/${name}/consumer/${local.prefix}-*"] }
    "function"                  = { arns = [local.functions] }
    "alias of a function"       = { arns = ["${local.functions}:*"] }
    "new mapping of a function" = { arns = ["*"], condition = { ArnLike = { "lambda:FunctionArn" = local.functions } } }
    "mapping of a function"     = { arns = ["arn:aws:lambda:${local.region_arn}:event-source-mapping:*"], condition = { ArnLike = { "lambda:FunctionArn" = local.functions } } }
    "mapping"                   = { arns = ["arn:aws:lambda:${local.region_arn}:event-source-mapping:*"] }
    "role"                      = { arns = [local.roles] }
    "role, to AWS"              = { arns = [local.roles], condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "events.amazonaws.com", "firehose.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"] } } }
    "role of AWS's own"         = { arns = ["arn:aws:iam::${var.account_id}:role/aws-service-role/*"], condition = { StringEquals = { "iam:AWSServiceName" = ["apidestinations.events.amazonaws.com", "ecs.amazonaws.com", "ops.apigateway.amazonaws.com"] } } }
    "log group"                 = { arns = flatten([for group in local.log_groups : [group, "${group}:*"]]) }
    "log stream of an archive"  = { arns = ["arn:aws:logs:${local.region_arn}:log-group:/aws/kinesisfirehose/${local.prefix}-*:log-stream:*"] }
    "bucket"                    = { arns = local.bucket_arns }
    "object of a bucket"        = { arns = [for arn in local.bucket_arns : "${arn}/*"] }
    "dead letter"               = { arns = ["${local.failures_arn}/dead-letters/*"] }
    "smoke test's file"         = { arns = [for arn in concat([local.batch_arn], local.yours) : "${arn}/*smoke-*"] }
    "URL of a function"         = { arns = ["${local.functions}:*"], condition = { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } } }
    "tasks of a cluster"        = { arns = ["*"], condition = { ArnLike = { "ecs:cluster" = local.clusters } } }
    "requests of an API"        = { arns = ["arn:aws:execute-api:${local.region_arn}:*/*/*/*"] } # AWS chooses the id of an API
    "queue"                     = { arns = ["arn:aws:sqs:${local.region_arn}:${local.prefix}-*"] }
    "topic"                     = { arns = ["arn:aws:sns:${local.region_arn}:${local.prefix}-*"] }
    "alarm"                     = { arns = ["arn:aws:cloudwatch:${local.region_arn}:alarm:${local.prefix}-*"] }
    "any alarm"                 = { arns = ["arn:aws:cloudwatch:${local.region_arn}:alarm:*"] }
    "metrics"                   = { arns = ["*"] }
    "dashboard"                 = { arns = ["arn:aws:cloudwatch::${var.account_id}:dashboard/${local.prefix}"] }
    "cluster"                   = { arns = [local.clusters] }
    "task definition"           = { arns = ["arn:aws:ecs:${local.region_arn}:task-definition/${local.prefix}-*"] }
    "connection"                = { arns = ["arn:aws:events:${local.region_arn}:connection/${local.prefix}-*"] }
    "secret of a connection"    = { arns = ["arn:aws:secretsmanager:${local.region_arn}:secret:events!connection/${local.prefix}-*"] }
    "API destination"           = { arns = ["arn:aws:events:${local.region_arn}:api-destination/${local.prefix}-*"] }
    "delivery stream"           = { arns = ["arn:aws:firehose:${local.region_arn}:deliverystream/${local.prefix}-*"] }
    "rule"                      = { arns = ["arn:aws:events:${local.region_arn}:rule/${local.prefix}-*"] }
    "schedule"                  = { arns = ["arn:aws:scheduler:${local.region_arn}:schedule/${local.prefix}-*/*"] }
    "schedule group"            = { arns = ["arn:aws:scheduler:${local.region_arn}:schedule-group/${local.prefix}-*"] }
    "API"                       = { arns = [for path in ["apis", "apis/*", "tags/*"] : "arn:aws:apigateway:${var.region}::/${path}"] }

    "role under the boundary" = {
      arns      = [local.roles]
      condition = var.roles.permissions_boundary == null ? null : { StringEquals = { "iam:PermissionsBoundary" = var.roles.permissions_boundary } }
    }

    "key" = { arns = [local.kms_key_arn] }
    },
    {
      for use in [
        { of = "the state", through = "s3", context = "aws:s3:arn", arns = ["arn:aws:s3:::${local.state_bucket}"] },
        { of = "models", through = "s3", context = "aws:s3:arn", arns = ["arn:aws:s3:::${local.models_bucket}"] },
        { of = "files", through = "s3", context = "aws:s3:arn", arns = local.bucket_arns },
        { of = "a stream", through = "kinesis", context = "aws:kinesis:arn", arns = [for name in local.stream_names : "arn:aws:kinesis:${local.region_arn}:stream/${name}"] },
        ] : "key for ${use.of}" => {
        arns = [local.kms_key_arn]
        condition = {
          StringEquals = { "kms:ViaService" = "${use.through}.${var.region}.amazonaws.com" }
          StringLike   = { "kms:EncryptionContext:${use.context}" = use.arns }
        }
      }
    },
    # wildcards are not to be had here: a bucket of yours is named, or there is none
    length(var.buckets) == 0 ? {} : { "bucket of yours" = { arns = local.yours } },
  )

  functions    = "arn:aws:lambda:${local.region_arn}:function:${local.prefix}-*"
  roles        = "arn:aws:iam::${var.account_id}:role${var.roles.path}${local.prefix}-*"
  stream_names = concat(["${local.prefix}-*"], var.streams)
  clusters     = "arn:aws:ecs:${local.region_arn}:cluster/${local.prefix}-*"
  batch_arn    = "arn:aws:s3:::${local.prefix}-batch-${var.account_id}"
  failures_arn = "arn:aws:s3:::${local.prefix}-failures-${var.account_id}"
  archive_arn  = "arn:aws:s3:::${local.prefix}-archive-${var.account_id}"
  bucket_arns  = [local.archive_arn, local.batch_arn, local.failures_arn]
  yours        = [for name in var.buckets : "arn:aws:s3:::${name}"]
  log_groups   = [for kind in local.log_kinds : "arn:aws:logs:${local.region_arn}:log-group:${kind}/${local.prefix}-*"]

  operations = jsondecode(file("${path.module}/../operations.json")).operations
  deploy_actions = { for operation in local.operations : operation.resource => operation.action...
    if contains(operation.roles, "deploy") && (operation.resource != "bucket of yours" || length(var.buckets) > 0)
  }

  deploy_statements = [for kind, actions in local.deploy_actions : jsonencode(merge(
    { Effect = "Allow", Action = actions, Resource = local.deploy_resources[kind].arns },
    try(local.deploy_resources[kind].condition, null) == null ? {} : { Condition = local.deploy_resources[kind].condition },
  ))]

  # Several, for one may be 6,144 characters long.
  deploy_policies = { for at, statements in chunklist(local.deploy_statements, 10) : tostring(at) => statements if local.deploys }
}

resource "aws_iam_policy" "deploy" {
  for_each = local.deploy_policies

  name   = "${var.name}-deploy-${var.environment}-${each.key}"
  policy = "{\"Version\":\"2012-10-17\",\"Statement\":[${join(",", each.value)}]}"
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = aws_iam_policy.deploy

  role       = aws_iam_role.deploy[0].name
  policy_arn = each.value.arn
}
