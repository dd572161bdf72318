# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:sc" }
  }
}

variables {
  name        = "sc-test-training"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc-training@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository  = "sc-training"
  schedule    = { expression = "cron(0 4 5 * ? *)", timezone = "America/New_York", flexible_minutes = 60 }
  data        = { bucket = "sc-models" }
  models      = { bucket = "sc-models" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "the_schedule_starts_a_job_of_sagemaker" {
  assert {
    condition     = aws_scheduler_schedule.this.target[0].arn == "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob" && aws_scheduler_schedule.this.schedule_expression == "cron(0 4 5 * ? *)" && aws_scheduler_schedule.this.schedule_expression_timezone == "America/New_York" && aws_scheduler_schedule.this.flexible_time_window[0].maximum_window_in_minutes == 60
    error_message = "Scheduler calls SageMaker itself, in the given hours, within the window."
  }

  assert {
    condition     = strcontains(aws_scheduler_schedule.this.target[0].input, "\"TrainingJobName\":\"sc-test-training-<aws.scheduler.execution-id>\"")
    error_message = "Scheduler replaces its word only where it is written as it is."
  }

  assert {
    condition     = aws_scheduler_schedule.this.target[0].dead_letter_config[0].arn == aws_sqs_queue.failed_runs.arn && aws_scheduler_schedule.this.target[0].retry_policy[0].maximum_retry_attempts == 5
    error_message = "A job that could not be started must not be forgotten."
  }
}

run "the_job_is_whole" {
  variables {
    tracking_uri = "https://mlflow.example.com"
    job          = { instance_type = "ml.m5.xlarge", volume_gb = 20, timeout_seconds = 7200 }
  }

  assert {
    condition = { for name, value in jsondecode(aws_scheduler_schedule.this.target[0].input) : name => value if name != "AlgorithmSpecification" } == {
      TrainingJobName = "sc-test-training-<aws.scheduler.execution-id>"
      RoleArn         = "arn:aws:iam::123456789012:role/sc-test-training-job"
      HyperParameters = { name = "ride-duration", seed = "42", models = "s3://sc-models/models", tracking_uri = "https://mlflow.example.com" }
      InputDataConfig = [
        { ChannelName = "train", DataSource = { S3DataSource = { S3DataType = "S3Prefix", S3Uri = "s3://sc-models/training/", S3DataDistributionType = "FullyReplicated" } } },
      ]
      OutputDataConfig       = { S3OutputPath = "s3://sc-models/jobs/sc-test-training", KmsKeyId = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
      ResourceConfig         = { InstanceType = "ml.m5.xlarge", InstanceCount = 1, VolumeSizeInGB = 20, VolumeKmsKeyId = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
      StoppingCondition      = { MaxRuntimeInSeconds = 7200 }
      EnableNetworkIsolation = false
    }
    error_message = "Hyperparameters are strings, everything is encrypted with the key, and the job is on one machine."
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this.target[0].input).AlgorithmSpecification.TrainingImage == var.image_uri && jsondecode(aws_scheduler_schedule.this.target[0].input).AlgorithmSpecification.MetricDefinitions[0] == { Name = "rmse", Regex = "metric rmse=(-?[0-9.]+);" }
    error_message = "The image by digest, and a metric from its line."
  }
}

run "a_job_that_failed_or_was_stopped_leaves_a_message" {
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.failed_jobs.event_pattern) == {
      source      = ["aws.sagemaker"]
      detail-type = ["SageMaker Training Job State Change"]
      detail      = { TrainingJobName = [{ prefix = "sc-test-training-" }], TrainingJobStatus = ["Failed", "Stopped"] }
    }
    error_message = "Jobs of others, and jobs that completed, are none of it."
  }

  assert {
    condition     = aws_cloudwatch_event_target.failed_jobs.arn == aws_sqs_queue.failed_runs.arn && aws_sqs_queue.failed_runs.sqs_managed_sse_enabled && length(output.composite_alarms) == 2
    error_message = "The message lies in the queue that the alarm watches."
  }
}

run "a_schedule_can_rest" {
  command = plan

  variables {
    schedule = { expression = "rate(7 days)", enabled = false }
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "DISABLED" && aws_scheduler_schedule.this.flexible_time_window[0].mode == "OFF"
    error_message = "Disabled, it starts nothing."
  }
}
