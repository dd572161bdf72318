# What `make infra-apply-local` applies: as dev, but with the model on S3 and streams of a known size.

account_id = "123456789012"
region     = "eu-west-1"
emails     = ["you@example.com"]

input = { mode = "PROVISIONED", shards = 2 }

consumers = {
  ride-duration = {
    model    = { location = "s3://stream-consumer-dev-models-123456789012/models/ride-duration/1" }
    output   = { mode = "PROVISIONED", shards = 2 }
    function = { timeout_seconds = 30, log_retention_days = 30 }
    mapping  = { batch_size = 500, parallelization_factor = 2, maximum_retry_attempts = 3 }
  }
}
