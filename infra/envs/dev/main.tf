# The dev environment: what it is made of is in modules/system, its sizes and consumers are in terraform.tfvars.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, != 6.0.0, != 6.1.0, != 6.2.0, != 6.3.0, < 7.0"
    }
  }

  # The bucket, which encrypts with its key, and its region come from backend.hcl, which `make bootstrap` writes.
  backend "s3" {
    key          = "stream-consumer/dev.tfstate"
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Project     = "stream-consumer"
      Environment = "dev"
      ManagedBy   = "terraform"
    }
  }
}

module "system" {
  source = "../../modules/system"

  training_image_digest = var.training_image_digest

  environment        = "dev"
  account            = { id = var.account_id, region = var.region }
  bootstrap          = var.bootstrap
  roles              = var.roles
  vpc                = var.vpc
  image_digest       = var.image_digest
  doors_image_digest = var.doors_image_digest
  model_digests      = var.model_digests
  architecture       = var.architecture
  stream_defaults    = { mode = "PROVISIONED", shards = 1, retention_hours = 24 } # two on-demand streams cost $36 a month more
  input              = var.input
  consumers          = var.consumers
  batch              = var.batch
  web                = var.web
  release_trigger    = var.release_trigger
  training           = var.training
  monitor            = var.monitor
  archive            = var.archive
  written            = { input = var.input, roles = var.roles, vpc = var.vpc, consumers = var.consumers, batch = var.batch, web = var.web, release_trigger = var.release_trigger, training = var.training, monitor = var.monitor, archive = var.archive }
  releases           = var.releases
  challengers        = var.challengers
  emails             = var.emails
  disposable         = true
}
