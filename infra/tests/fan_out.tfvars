# modules/consumer on its own, with everything switched on: a fan-out consumer's ARN is not known in a plan of the system.

name         = "stream-consumer-prod-trial"
account      = { id = "123456789012", region = "eu-west-1" }
kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
image_uri    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-prod@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
dead_letters = { bucket = "failures", bucket_arn = "arn:aws:s3:::failures", prefix = "dead-letters/trial" }

model = {
  location    = "s3://models/models/ride-duration/8"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

challenger = {
  location    = "s3://challengers/models/ride-duration/9"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"

  stream = {
    name        = "ride_predictions_challenger"
    arn         = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions_challenger"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }
}

input_stream = {
  name            = "ride_events"
  arn             = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events"
  shards          = 4
  retention_hours = 24
  kms_key_arn     = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  fan_out         = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events/consumer/trial:1700000000" }
}

output_stream = {
  name        = "ride_predictions_trial"
  arn         = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_predictions_trial"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

vpc      = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
function = { insights = true }
