# Files into predictions: when one arrives (S3 → queue → a starter that runs tasks on Fargate) or, where it is asked for, by
# interval. Nothing runs while there is nothing to do but the starter, a second a minute.

locals {
  # Without arrivals there is no notification and no starter. Queue and worker stay, which cost nothing: what waits is not lost.
  on_arrival = coalesce(var.on_arrival, true)

  arn = {
    for service, kind in { sqs = "", ecs = "", iam = "", events = "rule/", ecr = "repository/" } :
    service => "arn:${var.account.partition}:${service}:${service == "iam" ? "" : var.account.region}:${var.account.id}:${kind}"
  }

  # Made from the name, so that a plan shows what the tasks are given.
  queue_url = "https://sqs.${var.account.region}.${var.account.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"}/${var.account.id}/${aws_sqs_queue.work.name}"

  cluster_arn = "${local.arn.ecs}cluster/${var.name}"

  input_arn  = "arn:${var.account.partition}:s3:::${var.input.bucket}"
  output_arn = "arn:${var.account.partition}:s3:::${var.output.bucket}"
}

module "model" {
  source = "../model-access"

  account = var.account
  model   = var.model
}
