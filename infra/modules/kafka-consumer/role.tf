# What the function and its mapping may do, by one role, and nothing else. infra/operations.json lists the operations; `make infra-test`
# evaluates this policy for each of them and for what must be refused.

locals {
  through_kinesis = "kinesis.${var.account.region}.amazonaws.com"
  through_s3      = "s3.${var.account.region}.amazonaws.com"
  through_secrets = "secretsmanager.${var.account.region}.amazonaws.com"
  consumer_group  = coalesce(var.consumer_group, var.name)
  by_iam          = var.cluster.authentication == "iam"
  secrets         = compact([var.cluster.secret_arn, var.cluster.ca_secret_arn])

  topics_arn = replace(coalesce(var.cluster.arn, "-"), ":cluster/", ":topic/")
  groups_arn = replace(coalesce(var.cluster.arn, "-"), ":cluster/", ":group/")

  # Lambda looks for the brokers and makes interfaces in their subnets, by the function's role.
  # Source: AWS Lambda developer guide, "Configuring Lambda permissions for Amazon MSK event source mappings" and the same for those of
  # self-managed Apache Kafka.
  mapping_actions = concat([
    "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets", "ec2:DescribeVpcs",
  ], local.is_msk ? ["kafka:GetBootstrapBrokers"] : [])

  # Each with whether it is wanted.
  candidates = [
    {
      wanted = local.is_msk
      statement = {
        Sid      = "FindCluster"
        Effect   = "Allow"
        Action   = concat(["kafka:DescribeClusterV2"], var.cluster.authentication == "scram-sha-512" ? ["kafka:ListScramSecrets"] : [])
        Resource = [var.cluster.arn]
      }
    },
    {
      wanted = local.is_msk || var.network != null
      statement = {
        Sid      = "ReachBrokers"
        Effect   = "Allow"
        Action   = local.mapping_actions
        Resource = ["*"] # wildcard: Lambda names the interfaces, and AWS knows no narrower one of the others
      }
    },
    {
      wanted = local.is_msk || var.network != null
      statement = {
        Sid       = "NotByTheCode"
        Effect    = "Deny"
        Action    = local.mapping_actions
        Resource  = ["*"] # wildcard: nothing of it
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:${var.account.partition}:lambda:${var.account.region}:${var.account.id}:function:${var.name}" } }
      }
    },
    {
      wanted = local.by_iam
      statement = {
        Sid      = "ConnectToCluster"
        Effect   = "Allow"
        Action   = concat(["kafka-cluster:Connect", "kafka-cluster:DescribeClusterDynamicConfiguration"], local.to_topic ? ["kafka-cluster:WriteDataIdempotently"] : [])
        Resource = [var.cluster.arn]
      }
    },
    {
      wanted = local.by_iam
      statement = {
        Sid      = "ReadTopic"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
        Resource = ["${local.topics_arn}/${var.topic}"]
      }
    },
    {
      wanted = local.by_iam
      statement = {
        Sid      = "KeepOffsets"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = ["${local.groups_arn}/${local.consumer_group}"]
      }
    },
    {
      wanted = local.by_iam && local.to_topic
      statement = {
        Sid      = "WritePredictions"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = ["${local.topics_arn}/${coalesce(var.output.topic, "-")}"]
      }
    },
    {
      wanted = length(local.secrets) > 0
      statement = {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = local.secrets
      }
    },
    {
      wanted = !local.to_topic
      statement = {
        Sid      = "PutPredictions"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecords"]
        Resource = var.output.stream[*].arn
      }
    },
    {
      wanted = true
      statement = {
        Sid    = "WriteFailures"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "${var.dead_letters.bucket_arn}/${var.dead_letters.prefix}/*",            # wildcard: an object's key is its offset
          "${var.dead_letters.bucket_arn}/${var.dead_letters.on_failure_prefix}/*", # wildcard: Lambda chooses the key, and the mapping's id is not known before it exists
        ]
      }
    },
    {
      # Lambda refuses a mapping with an S3 destination without it.
      wanted = true
      statement = {
        Sid      = "CheckFailuresBucket"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [var.dead_letters.bucket_arn]
      }
    },
  ]

  statements = concat([for candidate in local.candidates : candidate.statement if candidate.wanted], module.model.statements)

  # Each use of a key: allowed only through the service, and only for the one secret, stream or bucket (the encryption context).
  key_uses = concat(
    [for arn in local.secrets : { sid = "DecryptSecret${index(local.secrets, arn)}", key = var.cluster.secrets_kms_key_arn, action = "kms:Decrypt", service = local.through_secrets, context = "SecretARN", of = arn }],
    [for stream in var.output.stream[*] : { sid = "EncryptPredictions", key = stream.kms_key_arn, action = "kms:GenerateDataKey", service = local.through_kinesis, context = "aws:kinesis:arn", of = stream.arn }],
    [{ sid = "EncryptDeadLetters", key = var.kms_key_arn, action = "kms:GenerateDataKey", service = local.through_s3, context = "aws:s3:arn", of = var.dead_letters.bucket_arn }],
  )

  # Apart from what is known only after an apply, such as a new key's ARN, so that a plan shows the rest.
  policies = {
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
    ], module.model.key_statements)
  }
}
