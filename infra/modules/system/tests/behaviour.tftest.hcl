mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
  }

  mock_resource "aws_kinesis_stream" {
    defaults = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/sc" }
  }

  mock_resource "aws_kinesis_stream_consumer" {
    defaults = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/sc/consumer/sc:1700000000" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:sc" }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:api1" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/sc" }
  }
}

variables {
  disposable   = true # what is kept cannot be taken down after the runs
  environment  = "test"
  account      = { id = "123456789012", region = "eu-west-1" }
  image_digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  bootstrap = {
    kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    models_bucket = "stream-consumer-test-models-123456789012"
    repositories = {
      lean  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test"
      doors = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test-doors"

      training = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test-training"
    }
  }
  consumers = {
    rides = {}
    trial = {
      model            = { location = "s3://stream-consumer-test-models-123456789012/models/8" }
      image_digest     = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
      enhanced_fan_out = true
    }
  }
}

run "each_consumer_has_its_own_stream_dead_letters_and_image" {
  assert {
    condition = { for name, consumer in output.consumers : name => [consumer.function_name, consumer.output_stream, consumer.dead_letters] } == {
      rides = ["stream-consumer-test-rides", "stream-consumer-test-rides-predictions", "s3://stream-consumer-test-failures-123456789012/dead-letters/rides/"]
      trial = ["stream-consumer-test-trial", "stream-consumer-test-trial-predictions", "s3://stream-consumer-test-failures-123456789012/dead-letters/trial/"]
    }
    error_message = "Consumers of one stream share nothing that they write."
  }

  assert {
    condition     = length(output.composite_alarms) == 4
    error_message = "Each consumer has its own alarms."
  }
}

run "streams_carry_the_environment" {
  assert {
    condition     = output.input_stream == "stream-consumer-test-events"
    error_message = "Two environments in one account would otherwise share the input stream."
  }
}

run "streams_are_of_the_default_size_unless_they_name_their_own" {
  variables {
    stream_defaults = { mode = "PROVISIONED", shards = 1, retention_hours = 24 }
    consumers = {
      rides = {}
      more  = { output = { shards = 3 } }
      burst = { output = { mode = "ON_DEMAND" } }
    }
  }

  assert {
    condition = { for key, capacity in local.capacity : key => "${capacity.mode} ${coalesce(capacity.shards, 0)}" } == {
      "input"        = "PROVISIONED 1"
      "output/rides" = "PROVISIONED 1"
      "output/more"  = "PROVISIONED 3"
      "output/burst" = "ON_DEMAND 0"
    }
    error_message = "A stream's own mode and shards count before the defaults."
  }

  assert {
    condition     = module.input.stream.retention_hours == 24 && module.input.stream.shards == 1
    error_message = "The input stream takes the default retention and shards."
  }
}

run "streams_take_the_names_they_are_given" {
  variables {
    input     = { name = "ride_events" }
    consumers = { rides = { output = { name = "ride_predictions" } } }
  }

  assert {
    condition     = output.input_stream == "ride_events" && output.consumers["rides"].output_stream == "ride_predictions"
    error_message = "An explicit name is used as it stands."
  }
}

run "there_are_no_doors_unasked" {
  assert {
    condition     = output.batch == null && output.web == null && output.training == null && length(module.files) == 0
    error_message = "A system of consumers pays for and permits nothing else."
  }
}

run "the_doors_have_their_own_image_and_bucket_and_the_systems_key" {
  variables {
    doors_image_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    batch              = { network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }, on_arrival = true, interval = { runs_on = "lambda", schedule = "cron(15 0 1 * ? *)" } }
    web                = { endpoint = "http_api" }
  }

  assert {
    condition     = output.batch.bucket == "stream-consumer-test-batch-123456789012" && output.batch.input == "s3://stream-consumer-test-batch-123456789012/rides/" && output.batch.notification.filter_prefix == "rides/" && output.batch.queue.name == "stream-consumer-test-batch"
    error_message = "Files that arrive under rides/ of a bucket that is made for them become work."
  }

  assert {
    condition     = local.doors_image == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-test-doors@sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    error_message = "The consumers' image is lean; the full image has batch and web."
  }

  assert {
    condition     = length(output.composite_alarms) == 8
    error_message = "Two composite alarms for each consumer and each interface."
  }
}

run "an_attribute_that_no_variable_has_is_refused" {
  command = plan

  variables {
    written = {
      input     = { shard = 2 }
      roles     = { path = "/apps/" }
      consumers = { rides = { function = { memroy_mb = 512 } }, trial = { enhanced_fanout = true } }
      batch     = null
      web       = null
    }
  }

  expect_failures = [output.consumers]
}

run "the_release_of_a_consumer_that_is_gone_is_forgotten" {
  command = plan

  variables {
    releases = { rides = { version = "7" }, others = { version = "3" } }
  }

  assert {
    condition     = keys(output.releases) == ["rides"] && output.releases.rides.version == "7"
    error_message = "The record would name it forever, since the next plan starts from the record."
  }
}

run "an_attribute_of_an_attribute_is_refused_too" {
  command = plan

  variables {
    doors_image_digest = var.image_digest
    batch = {
      network    = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
      on_arrival = false
      interval   = { runs_on = "lambda", length = "hour", schedule = "cron(5 * * * ? *)", function = {} }
    }
    written = { batch = { interval = { function = { memroy_mb = 512 } } } }
  }

  expect_failures = [output.consumers]
}

run "files_outlive_the_batch_door_unless_the_environment_is_disposable" {
  command = plan

  variables {
    disposable = false
  }

  assert {
    condition     = output.batch == null && length(module.files) == 1
    error_message = "A bucket that may hold files can neither go nor be refused where an interface is switched off."
  }
}

run "a_rollback_of_the_web_interface_counts_before_its_settings" {
  variables {
    doors_image_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    web                = { release = { version = "2" } }
    releases           = { web = { version = "7" } }
  }

  assert {
    condition     = output.web.live_version == "7"
    error_message = "The alias points where the record says."
  }
}

run "the_web_interfaces_settings_may_name_its_version" {
  variables {
    doors_image_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    web                = { release = { version = "2" } }
  }

  assert {
    condition     = output.web.live_version == "2"
    error_message = "Without a record the settings count."
  }
}

run "a_canary_has_its_share_until_its_time" {
  variables {
    releases = { rides = { version = "7", canary_weight = 0.1, canary_until = "2099-01-01T00:00:00Z" } }
  }

  assert {
    condition     = local.releases["rides"].canary_weight == 0.1 && keys(module.canary.until) == ["stream-consumer-test-rides"]
    error_message = "The share is given, and its end is scheduled."
  }
}

run "no_plan_gives_a_share_back_that_was_taken_away" {
  variables {
    releases = { rides = { version = "7", canary_weight = 0.1, canary_until = "2020-01-01T00:00:00Z" } }
  }

  assert {
    condition     = local.releases["rides"].canary_weight == 0 && module.consumer["rides"].live_version == "7"
    error_message = "The version that was live has everything, as the schedule left it."
  }
}

run "a_canary_without_an_end_is_as_it_was" {
  variables {
    releases = { rides = { version = "7", canary_weight = 0.1 } }
  }

  assert {
    condition     = local.releases["rides"].canary_weight == 0.1 && length(module.canary.until) == 0
    error_message = "A share that was given by hand stays."
  }
}

run "a_canarys_challenger_takes_the_place_of_the_consumers_own" {
  variables {
    consumers = {
      rides = { challenger = { location = "s3://stream-consumer-test-models-123456789012/models/9", threshold = 2, stream = { name = "c", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/c" } } }
      trial = {}
    }
    challengers = { rides = { location = "s3://stream-consumer-test-models-123456789012/models/7" } }
  }

  assert {
    condition = jsonencode(local.challengers["rides"]) == jsonencode({
      location    = "s3://stream-consumer-test-models-123456789012/models/7"
      digest      = null
      kms_key_arn = null
      threshold   = 2
      timeout_ms  = null
      stream      = null
    }) && local.challengers["trial"] == null
    error_message = "The model that is compared is the canary's, the threshold the consumer's, and no stream gets its predictions."
  }
}

run "training_reads_and_writes_the_bucket_of_models_unless_the_rides_are_elsewhere" {
  variables {
    training_image_digest = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
    training              = { schedule = { expression = "rate(7 days)" } }
  }

  assert {
    condition     = output.training.data == "s3://stream-consumer-test-models-123456789012/training/" && output.training.champion == "s3://stream-consumer-test-models-123456789012/models/ride-duration/champion.json"
    error_message = "Rides lie where modules/models keeps them, and the champion where consumers read it."
  }

  assert {
    condition     = output.training.failed_runs_queue.name == "stream-consumer-test-training-failed-runs" && length(output.composite_alarms) == 6
    error_message = "Training has a queue and alarms of its own."
  }
}

run "an_attribute_of_training_that_there_is_not_is_refused" {
  command = plan

  variables {
    training_image_digest = var.image_digest
    training              = { schedule = { expression = "rate(7 days)" } }
    written               = { training = { schedule = { expresion = "rate(7 days)" } } }
  }

  expect_failures = [output.consumers]
}

run "nobody_watches_unasked" {
  assert {
    condition     = output.monitor == null
    error_message = "A second reader of the stream is a choice: it costs, and needs a model with a reference."
  }
}

run "the_only_consumers_model_is_watched_and_does_not_stop_a_release" {
  variables {
    consumers = { rides = { model = { location = "s3://stream-consumer-test-models-123456789012/models/7" }, environment = { ENTITY_FIELD = "trip" }, image_digest = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" } }
    monitor   = {}
  }

  assert {
    condition     = local.watched == "rides" && output.monitor.function_name == "stream-consumer-test-monitor" && output.monitor.profiles == "s3://${module.failures.name}/profiles"
    error_message = "The monitor serves the consumer's model, and its profiles lie beside the dead letters."
  }

  assert {
    condition     = !contains(output.composite_alarms, "stream-consumer-test-monitor-ticket") && length(output.composite_alarms) == 2
    error_message = "Drift does not take back the release that answers it."
  }
}

run "of_several_consumers_the_named_ones_model_is_watched" {
  command = plan

  variables {
    consumers = { rides = {}, trial = { model = { location = "s3://stream-consumer-test-models-123456789012/models/8" } } }
    monitor   = { consumer = "trial" }
  }

  assert {
    condition     = module.monitor[0].settings.MODEL_LOCATION == "s3://stream-consumer-test-models-123456789012/models/8"
    error_message = "Each consumer has a model of its own."
  }
}

run "an_attribute_of_the_monitor_that_there_is_not_is_refused" {
  command = plan

  variables {
    consumers = { rides = {} }
    monitor   = { mapping = {} }
    written   = { monitor = { mapping = { window = 60 } } }
  }

  expect_failures = [output.consumers]
}

run "every_stream_has_a_folder_of_the_archive_and_each_consumer_its_daily_run" {
  variables {
    doors_image_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    consumers          = { rides = { model = { location = "s3://stream-consumer-test-models-123456789012/models/rides/champion.json" } }, trial = {} }
    archive            = { outcomes = { shards = 1, mode = "PROVISIONED" }, quality = { rides = { group = "PULocationID" }, trial = { registered = { rmse = 6 } } } }
  }

  assert {
    condition = output.archive.bucket == "stream-consumer-test-archive-123456789012" && output.archive.outcomes_stream == "stream-consumer-test-outcomes" && output.archive.delivery_streams == {
      "events"            = "stream-consumer-test-archive-events"
      "outcomes"          = "stream-consumer-test-archive-outcomes"
      "predictions/rides" = "stream-consumer-test-archive-predictions-rides"
      "predictions/trial" = "stream-consumer-test-archive-predictions-trial"
    }
    error_message = "Events, outcomes and the predictions of each consumer are archived."
  }

  assert {
    condition = { for name, quality in output.archive.quality : name => [quality.function_name, quality.results] } == {
      rides = ["stream-consumer-test-quality-rides", "s3://stream-consumer-test-archive-123456789012/quality/rides"]
      trial = ["stream-consumer-test-quality-trial", "s3://stream-consumer-test-archive-123456789012/quality/trial"]
    }
    error_message = "The results of each consumer lie in a folder of its own."
  }

  assert {
    condition     = length(output.composite_alarms) == 6
    error_message = "A deployment watches the archive, and not whether the model rings that it may replace."
  }
}

run "an_archive_outlives_its_switch_unless_the_environment_is_disposable" {
  command = plan

  variables {
    disposable = false
  }

  assert {
    condition     = output.archive == null && length(module.archived) == 1
    error_message = "A bucket that may hold files can neither go nor be refused where it is switched off."
  }
}
