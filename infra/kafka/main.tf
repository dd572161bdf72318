# A consumer of your Kafka cluster, with the bucket of what it gives up. docs/kafka.md says how it is applied.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, != 6.0.0, != 6.1.0, != 6.2.0, != 6.3.0, < 7.0"
    }
  }

  # The bucket and its region come from the backend.hcl that `make bootstrap` writes, the key from the command line: one for each consumer.
  backend "s3" {
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Project     = "stream-consumer"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

locals {
  name    = "stream-consumer-${var.environment}-${var.name}"
  account = { id = var.account_id, region = var.region }
}

module "failures" {
  source = "../modules/failures"

  name          = "${local.name}-failures-${var.account_id}"
  kms_key_arn   = var.bootstrap.kms_key_arn
  force_destroy = var.disposable
}

module "consumer" {
  source = "../modules/kafka-consumer"

  name           = local.name
  account        = local.account
  kms_key_arn    = var.bootstrap.kms_key_arn
  image_uri      = "${var.bootstrap.repositories.lean}@${var.image_digest}"
  architecture   = var.architecture
  roles          = var.roles
  cluster        = var.cluster
  topic          = var.topic
  consumer_group = var.consumer_group
  network        = var.network
  function       = var.function
  mapping        = var.mapping
  output         = var.output
  model          = merge({ kms_key_arn = var.bootstrap.kms_key_arn }, var.model)
  environment    = var.settings
  release        = var.release
  alarms         = var.alarms

  dead_letters = {
    bucket            = module.failures.name
    bucket_arn        = module.failures.arn
    prefix            = "${module.failures.dead_letter_prefix}/${var.name}"
    on_failure_prefix = module.failures.on_failure_prefix
  }
}

# Terraform drops an attribute that a variable's type does not have, without a word, so what was written is compared with what was taken.
locals {
  written   = { cluster = var.cluster, network = var.network, function = var.function, mapping = var.mapping, output = var.output, model = var.model, alarms = var.alarms }
  attribute = { for side, items in { written = local.written, taken = module.consumer.taken } : side => flatten([for path, item in items : [for key in try(keys(item), []) : "${path}.${key}"]]) }
  nested = { for side, items in { written = local.written, taken = module.consumer.taken } : side => flatten([for path, item in items : [
    for key in try(keys(item), []) : [for inner in try(keys(item[key]), []) : "${path}.${key}.${inner}"]
  ]]) }

  unknown_attributes = concat(tolist(setsubtract(local.attribute.written, local.attribute.taken)), tolist(setsubtract(local.nested.written, local.nested.taken)))
}
