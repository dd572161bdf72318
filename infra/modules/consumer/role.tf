# What the function may do, and nothing else. infra/operations.json lists the operations; `make infra-test` evaluates this
# policy for each of them and for what must be refused.

locals {
  through_kinesis = "kinesis.${var.account.region}.amazonaws.com"
  through_s3      = "s3.${var.account.region}.amazonaws.com"

  # Each use of a key: allowed only through the service, and only for the one stream or bucket (the encryption context).
  key_uses = [
    { sid = "DecryptInput", key = var.input_stream.kms_key_arn, action = "kms:Decrypt", service = local.through_kinesis, context = "aws:kinesis:arn", of = var.input_stream.arn },
    { sid = "EncryptPredictions", key = var.output_stream.kms_key_arn, action = "kms:GenerateDataKey", service = local.through_kinesis, context = "aws:kinesis:arn", of = var.output_stream.arn },
    { sid = "EncryptChallengersPredictions", key = try(var.challenger.stream.kms_key_arn, null), action = "kms:GenerateDataKey", service = local.through_kinesis, context = "aws:kinesis:arn", of = try(var.challenger.stream.arn, null) },
    { sid = "EncryptDeadLetters", key = var.kms_key_arn, action = "kms:GenerateDataKey", service = local.through_s3, context = "aws:s3:arn", of = var.dead_letters.bucket_arn },
  ]

  # A policy has each Sid once, and the first model's statements have these.
  challengers = { for name, statements in { read = module.challenger.statements, decrypt = module.challenger.key_statements } :
    name => [for statement in statements : merge(statement, { Sid = "${statement.Sid}OfChallenger" })]
  }

  statements = concat(
    [
      {
        Sid      = "ReadInput"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = [var.input_stream.arn]
      },
      {
        Sid      = "PutPredictions"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecords"]
        Resource = [var.output_stream.arn]
      },
      {
        Sid    = "WriteFailures"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "${var.dead_letters.bucket_arn}/${var.dead_letters.prefix}/*",            # wildcard: an object's key is its sequence number
          "${var.dead_letters.bucket_arn}/${var.dead_letters.on_failure_prefix}/*", # wildcard: Lambda chooses the key, and the mapping's id is not known before it exists
        ]
      },
      {
        # Lambda refuses a mapping with an S3 destination without it.
        Sid      = "CheckFailuresBucket"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [var.dead_letters.bucket_arn]
      },
    ],
    module.model.statements,
    local.challengers.read,
    [for stream in try([var.challenger.stream.arn], []) :
      {
        Sid      = "PutChallengersPredictions"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecords"]
        Resource = [stream]
      }
    ],
  )

  # Apart from what is known only after an apply (a new key's ARN, a fan-out consumer's), so that a plan shows the rest.
  policies = merge(
    {
      consume = local.statements
      use-keys = concat([for use in local.key_uses :
        {
          Sid      = use.sid
          Effect   = "Allow"
          Action   = [use.action]
          Resource = [use.key]
          Condition = {
            StringEquals = {
              "kms:ViaService"                       = use.service
              "kms:EncryptionContext:${use.context}" = use.of
            }
          }
        } if use.key != null
      ], module.model.key_statements, local.challengers.decrypt)
    },
    { for fan_out in var.input_stream.fan_out[*] : "subscribe" => [
      {
        Sid      = "SubscribeToInput"
        Effect   = "Allow"
        Action   = ["kinesis:SubscribeToShard"]
        Resource = [fan_out.arn]
      },
    ] },
  )
}
