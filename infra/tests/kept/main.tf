# What a destroy must leave whole: a bucket that holds an object, beside one that holds none.

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
  region = "eu-west-1"
}

resource "aws_kms_key" "this" {
  #checkov:skip=CKV2_AWS_64: a key of a test
  enable_key_rotation = true
}

module "bucket" {
  source   = "../../modules/bucket"
  for_each = toset(["sc-full", "sc-empty"])

  name        = each.key
  kms_key_arn = aws_kms_key.this.arn
}

module "stream" {
  source = "../../modules/stream"

  name            = "sc-events"
  account         = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn     = aws_kms_key.this.arn
  retention_hours = 48
}
