# Training by schedule: EventBridge Scheduler starts a training job of SageMaker, whose image trains, proves and registers. A job that
# could not be started, failed or was stopped leaves a message. A model that is not better leaves none: it is a success of the job.

locals {
  arn = {
    for service, kind in { sqs = "", sagemaker = "training-job/", iam = "", events = "rule/", ecr = "repository/", logs = "log-group:", scheduler = "" } :
    service => "arn:${var.account.partition}:${service}:${service == "iam" ? "" : var.account.region}:${var.account.id}:${kind}"
  }

  data_arn   = "arn:${var.account.partition}:s3:::${var.data.bucket}"
  models_arn = "arn:${var.account.partition}:s3:::${var.models.bucket}"

  job_role_arn  = "${local.arn.iam}role${var.roles.path}${var.name}-job"
  failed_runs   = "${var.name}-failed-runs"
  queue_arn     = "${local.arn.sqs}${local.failed_runs}"
  failed_jobs   = "${var.name}-failed-jobs"
  log_group_arn = "${local.arn.logs}/aws/sagemaker/TrainingJobs" # SageMaker's, one for all jobs of the account

  # Where SageMaker packs what a job leaves: model.tar.gz and output.tar.gz. The registry is models/, which the job itself writes.
  outputs = "jobs/"

  # What a job is to CreateTrainingJob. A registry in S3 cannot be reached from a job in network isolation.
  job = {
    # A word of Scheduler's, another for each attempt; names of jobs are never used twice.
    TrainingJobName = "${var.name}-<aws.scheduler.execution-id>"
    RoleArn         = local.job_role_arn

    AlgorithmSpecification = {
      TrainingImage     = var.image_uri
      TrainingInputMode = "File"
      MetricDefinitions = [for metric in local.metrics : { Name = metric, Regex = "metric ${metric}=(-?[0-9.]+);" }]
    }

    HyperParameters = merge(
      { name = var.model_name, seed = tostring(var.seed), models = "s3://${var.models.bucket}/models" },
      var.tracking_uri == null ? {} : { tracking_uri = var.tracking_uri },
    )

    InputDataConfig = [
      {
        ChannelName = "train"
        DataSource = {
          S3DataSource = { S3DataType = "S3Prefix", S3Uri = "s3://${var.data.bucket}/${var.data.prefix}", S3DataDistributionType = "FullyReplicated" }
        }
      },
    ]

    OutputDataConfig = { S3OutputPath = "s3://${var.models.bucket}/${local.outputs}${var.name}", KmsKeyId = var.kms_key_arn }
    ResourceConfig   = { InstanceType = var.job.instance_type, InstanceCount = 1, VolumeSizeInGB = var.job.volume_gb, VolumeKmsKeyId = var.kms_key_arn }

    StoppingCondition      = { MaxRuntimeInSeconds = var.job.timeout_seconds }
    EnableNetworkIsolation = false
  }

  metrics = [
    "rmse", "mae", "r2", "baseline_rmse", "baseline_mae", "baseline_r2", "bounded_baseline_rmse", "bounded_baseline_mae", "bounded_baseline_r2",
    "champion_rmse", "rmse_upper_bound", "promoted",
  ]
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  name                         = var.name
  description                  = "Trains ${var.model_name}"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone
  state                        = var.schedule.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode                      = var.schedule.flexible_minutes == 0 ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = var.schedule.flexible_minutes == 0 ? null : var.schedule.flexible_minutes
  }

  target {
    arn      = "arn:${var.account.partition}:scheduler:::aws-sdk:sagemaker:createTrainingJob"
    role_arn = aws_iam_role.this["schedules"].arn

    # jsonencode writes < as \u003c, and Scheduler would not find the word that it must replace.
    input = replace(replace(jsonencode(local.job), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_retry_attempts       = var.schedule.retries
      maximum_event_age_in_seconds = var.schedule.retry_seconds
    }

    dead_letter_config {
      arn = aws_sqs_queue.failed_runs.arn
    }
  }
}
