# What an environment stands on, and keeps: Terraform's state, the key, models and training data, the images. `make bootstrap`
# applies it with a local state, and moves that state into the bucket it made. Everything that can be rebuilt is in envs/.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, != 6.0.0, != 6.1.0, != 6.2.0, != 6.3.0, < 7.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Project     = var.name
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

locals {
  prefix        = "${var.name}-${var.environment}"
  state_bucket  = "${local.prefix}-state-${var.account_id}"
  models_bucket = "${local.prefix}-models-${var.account_id}"
  repositories  = { lean = local.prefix, doors = "${local.prefix}-doors", training = "${local.prefix}-training" }
}

module "state" {
  source = "../modules/bucket"

  name            = local.state_bucket
  kms_key_arn     = local.kms_key_arn
  noncurrent_days = 365 # what was deployed on any day of a year can be read
}

module "models" {
  source = "../modules/models"

  name        = local.models_bucket
  kms_key_arn = local.kms_key_arn
}

module "registry" {
  source   = "../modules/registry"
  for_each = local.repositories

  name          = each.value
  function_arns = ["arn:aws:lambda:${var.region}:${var.account_id}:function:${local.prefix}-*"] # wildcard: functions come and go
}
