# The interfaces alone, in each of their forms, training, an archive and its daily run: with an image and a key that are there already, a plan shows everything.

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

locals {
  account   = { id = "123456789012", region = "eu-west-1" }
  key       = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-prod@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  model     = { location = "s3://models/models/ride-duration/8", kms_key_arn = local.key }
  vpc       = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms"

  intervals = {
    fargate = { runs_on = "fargate", schedule = "cron(15 0 1 * ? *)" }
    lambda  = { runs_on = "lambda", length = "hour", schedule = "cron(5 * * * ? *)" }
  }
}

module "batch" {
  source   = "../../modules/batch"
  for_each = local.intervals

  name        = "sc-batch-${each.key}"
  account     = local.account
  kms_key_arn = local.key
  image_uri   = local.image_uri
  repository  = "stream-consumer-prod"
  input       = { bucket = "arrivals", kms_key_arn = local.key, owns_notifications = true }
  output      = { bucket = "results", kms_key_arn = local.key }
  model       = local.model
  network     = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  on_arrival  = true
  interval    = each.value
  vpc         = local.vpc
  alarms      = { topic_arn = local.topic_arn }
}

module "web" {
  source   = "../../modules/web"
  for_each = toset(["function_url", "http_api"])

  name               = "sc-web-${each.key}"
  account            = local.account
  kms_key_arn        = local.key
  image_uri          = local.image_uri
  endpoint           = each.key
  model              = local.model
  allowed_principals = each.key == "function_url" ? ["arn:aws:iam::210987654321:role/rides"] : []
  cors               = { allow_origins = ["https://rides.example.com"] }
  vpc                = local.vpc
  alarms             = { topic_arn = local.topic_arn }
}

module "release_trigger" {
  source = "../../modules/release-trigger"

  name        = "sc-release"
  account     = local.account
  environment = "test"
  repository  = "my-company/rides"
  bucket      = "models"
  models      = ["ride-duration"]
  alarms      = { topic_arn = local.topic_arn }
}

module "monitor" {
  source = "../../modules/monitor"
  count  = 1

  name         = "sc-monitor"
  account      = local.account
  kms_key_arn  = local.key
  image_uri    = local.image_uri
  input_stream = { name = "ride_events", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events", shards = 4, kms_key_arn = local.key }
  model        = local.model
  profiles     = { bucket = "failures", bucket_arn = "arn:aws:s3:::failures" }
  vpc          = local.vpc
  topic_arn    = local.topic_arn
}

module "training" {
  source = "../../modules/training"
  count  = 1

  name        = "sc-training"
  account     = local.account
  kms_key_arn = local.key
  image_uri   = local.image_uri
  repository  = "stream-consumer-prod"
  schedule    = { expression = "cron(0 4 5 * ? *)" }
  data        = { bucket = "rides", kms_key_arn = local.key }
  models      = { bucket = "models", kms_key_arn = local.key }
  topic_arn   = local.topic_arn
}

# Consumers of Kafka as infra/kafka has none: of Amazon MSK by a password, in no VPC, and of a cluster of one's own.
locals {
  kafka = {
    msk = {
      cluster = { arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/rides/abc-3", authentication = "scram-sha-512", secret_arn = "${local.secret}:rides-a1b2c3" }
      network = null
    }
    own = {
      cluster = { brokers = ["kafka-1.example.com:9093"], authentication = "mtls", secret_arn = "${local.secret}:rides-a1b2c3", ca_secret_arn = "${local.secret}:authority-d4e5f6" }
      network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], broker_cidr_blocks = ["10.1.0.0/16"] }
    }
  }
  secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
}

module "kafka" {
  source   = "../../modules/kafka-consumer"
  for_each = local.kafka

  name         = "sc-kafka-${each.key}"
  account      = local.account
  kms_key_arn  = local.key
  image_uri    = local.image_uri
  cluster      = merge(each.value.cluster, { secrets_kms_key_arn = local.key })
  topic        = "ride_events"
  network      = each.value.network
  output       = { stream = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions", kms_key_arn = local.key } }
  model        = local.model
  dead_letters = { bucket = "failures", bucket_arn = "arn:aws:s3:::failures", prefix = "dead-letters/kafka-${each.key}" }
  alarms       = { topic_arn = local.topic_arn }
}

module "archive" {
  source = "../../modules/archive"
  count  = 1

  name        = "sc-archive"
  account     = local.account
  kms_key_arn = local.key
  bucket      = { arn = "arn:aws:s3:::archives", kms_key_arn = local.key }
  topic_arn   = local.topic_arn

  streams = { "predictions/rides" = { name = "ride_predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions", retention_hours = 24, kms_key_arn = local.key } }
}

module "quality" {
  source = "../../modules/quality"
  count  = 1

  name        = "sc-quality-rides"
  account     = local.account
  kms_key_arn = local.key
  image_uri   = local.image_uri
  vpc         = local.vpc
  bucket      = { name = "archives", arn = "arn:aws:s3:::archives", kms_key_arn = local.key }
  archives    = { predictions = "predictions/rides", outcomes = "outcomes", events = "events" }
  results     = "quality/rides"
  group       = "PULocationID"
  champion    = { uri = "s3://models/models/ride-duration/champion.json", kms_key_arn = local.key }
  topic_arn   = local.topic_arn
}
