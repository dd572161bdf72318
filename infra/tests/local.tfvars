# What `make infra-apply-local` applies: as dev, but with the model on S3, streams of a known size, both interfaces, training, and the monitor.

emails = ["you@example.com"]

input = { shards = 2 }

release_trigger = { repository = "my-company/rides" }

consumers = {
  ride-duration = {
    model    = { location = "s3://stream-consumer-dev-models-123456789012/models/ride-duration/1" }
    output   = { mode = "PROVISIONED", shards = 2 }
    function = { timeout_seconds = 30, log_retention_days = 30, snap_start = true }
    mapping  = { batch_size = 500, parallelization_factor = 2, maximum_retry_attempts = 3 }
  }
}

batch = {
  network = { subnet_ids = ["subnet-0a1b2c3d4e5f60001"], security_group_ids = ["sg-0a1b2c3d4e5f60003"] }
  model   = { location = "s3://stream-consumer-dev-models-123456789012/models/ride-duration/1" }
  queue   = { max_receives = 2 }

  on_arrival = true # both, so that both are applied
  interval   = { runs_on = "fargate", schedule = "cron(15 6 2 * ? *)" }
}

web = {
  endpoint = "http_api"
  cors     = { allow_origins = ["https://rides.example.com"] }
  model    = { location = "s3://stream-consumer-dev-models-123456789012/models/ride-duration/1" }
  function = { log_retention_days = 30 }
}

training = {
  schedule = { expression = "cron(0 4 5 * ? *)", timezone = "America/New_York", flexible_minutes = 60 }
}

monitor = {
  consumer = "ride-duration"
  function = { log_retention_days = 30, snap_start = true }
}

archive = {
  outcomes = { mode = "PROVISIONED", shards = 1 }
  quality  = { ride-duration = { group = "PULocationID", registered = { rmse = 6.5 } } }
}
