# What is made of good settings. The policies are evaluated elsewhere (infra/tests/kafka_roles.py); here stands what they rest on.

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

  mock_resource "aws_security_group" {
    defaults = { id = "sg-function" }
  }
}

variables {
  name         = "sc-test-kafka"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  cluster      = { arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/rides/abc-3", brokers = ["b-1.rides.example.com:9098", "b-2.rides.example.com:9098"], authentication = "iam" }
  topic        = "ride_events"
  output       = { topic = "ride_predictions" }
  network      = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], broker_security_group_ids = ["sg-brokers"] }
  dead_letters = { bucket = "sc-failures", bucket_arn = "arn:aws:s3:::sc-failures", prefix = "dead-letters/kafka" }
  alarms       = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms" }
}

run "a_topic_of_amazon_msk_is_read_by_pollers_of_its_own" {
  assert {
    condition     = aws_lambda_event_source_mapping.this.event_source_arn == var.cluster.arn && aws_lambda_event_source_mapping.this.topics == toset(["ride_events"]) && length(aws_lambda_event_source_mapping.this.self_managed_event_source) == 0
    error_message = "A cluster of Amazon MSK is named by its ARN."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.amazon_managed_kafka_event_source_config[0].consumer_group_id == "sc-test-kafka"
    error_message = "The role is allowed one consumer group, and the mapping must use that."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.provisioned_poller_config[0].minimum_pollers == 1 && aws_lambda_event_source_mapping.this.provisioned_poller_config[0].maximum_pollers == 4
    error_message = "Provisioned pollers are the default, for only they take partial responses."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"]) && module.function.settings["KAFKA_PARTIAL_RESPONSE"] == "true"
    error_message = "The function must answer in part exactly where the mapping heeds it."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.bisect_batch_on_function_error && aws_lambda_event_source_mapping.this.maximum_retry_attempts == 10 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 86400
    error_message = "Retries and age are finite by default, and one bad record does not fail its whole batch."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::sc-failures"
    error_message = "Only S3 documents carry the records."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this.source_access_configuration) == 0
    error_message = "By IAM no secret is named, and the network is the cluster's."
  }

  assert {
    condition = module.function.settings == tomap({
      KAFKA_AUTHENTICATION         = "iam"
      KAFKA_BROKERS                = "b-1.rides.example.com:9098,b-2.rides.example.com:9098"
      KAFKA_PARTIAL_RESPONSE       = "true"
      PREDICTIONS_TOPIC            = "ride_predictions"
      DEAD_LETTER_BUCKET           = "sc-failures"
      DEAD_LETTER_PREFIX           = "dead-letters/kafka"
      POWERTOOLS_SERVICE_NAME      = "sc-test-kafka"
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
    error_message = "Settings follow from variables."
  }
}

run "out_go_the_brokers_port_and_https_and_nothing_comes_in" {
  assert {
    condition     = [for key, rule in aws_vpc_security_group_egress_rule.brokers : "${key} ${rule.from_port}-${rule.to_port} ${rule.referenced_security_group_id}"] == ["9098/sg-brokers 9098-9098 sg-brokers"]
    error_message = "One rule for a port and a group, however many brokers there are."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.https : "${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"] == ["443-443 0.0.0.0/0"]
    error_message = "AWS's services are reached by HTTPS."
  }

  assert {
    condition     = output.security_group_id == "sg-function"
    error_message = "The brokers' security group must let this one in."
  }
}

run "a_cluster_of_your_own_is_read_from_the_functions_subnets" {
  variables {
    cluster = {
      brokers        = ["kafka-1.example.com:9093", "kafka-2.example.com:9094"]
      authentication = "scram-sha-512"
      secret_arn     = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rides-a1b2c3"
      ca_secret_arn  = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:authority-d4e5f6"
    }
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], broker_cidr_blocks = ["10.1.0.0/16"], https_cidr_blocks = ["10.0.0.0/16"] }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.self_managed_event_source[0].endpoints == tomap({ KAFKA_BOOTSTRAP_SERVERS = "kafka-1.example.com:9093,kafka-2.example.com:9094" })
    error_message = "A cluster of your own is named by its brokers."
  }

  assert {
    condition = toset([for access in aws_lambda_event_source_mapping.this.source_access_configuration : "${access.type} ${access.uri}"]) == toset([
      "SASL_SCRAM_512_AUTH arn:aws:secretsmanager:eu-west-1:123456789012:secret:rides-a1b2c3",
      "SERVER_ROOT_CA_CERTIFICATE arn:aws:secretsmanager:eu-west-1:123456789012:secret:authority-d4e5f6",
      "VPC_SUBNET subnet:subnet-1",
      "VPC_SECURITY_GROUP security_group:sg-function",
    ])
    error_message = "One secret serves the mapping and the function, and the mapping comes from the function's subnets."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.self_managed_kafka_event_source_config[0].consumer_group_id == "sc-test-kafka"
    error_message = "The consumer group is the function's name."
  }

  assert {
    condition     = module.function.settings["KAFKA_SECRET_ARN"] == var.cluster.secret_arn && module.function.settings["KAFKA_CA_SECRET_ARN"] == var.cluster.ca_secret_arn
    error_message = "The function reads the same secrets."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.brokers)) == toset(["9093/10.1.0.0/16", "9094/10.1.0.0/16"]) && keys(aws_vpc_security_group_egress_rule.https) == ["10.0.0.0/16"]
    error_message = "Each port of the brokers, and HTTPS where the endpoints are."
  }
}

run "each_way_to_log_in_names_its_secret_by_lambdas_word" {
  variables {
    cluster = { brokers = ["kafka-1.example.com:9093"], authentication = "plain", secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rides-a1b2c3" }
    network = null
    output  = { stream = { name = "predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/predictions" } }
  }

  assert {
    condition     = [for access in aws_lambda_event_source_mapping.this.source_access_configuration : access.type] == ["BASIC_AUTH"]
    error_message = "SASL PLAIN is BASIC_AUTH, and without a VPC no subnet is named."
  }

  assert {
    condition     = module.function.settings["PREDICTIONS_STREAM_NAME"] == "predictions" && !anytrue([for name in keys(module.function.settings) : startswith(name, "KAFKA_") && name != "KAFKA_PARTIAL_RESPONSE"])
    error_message = "A function that writes to a stream connects to no broker."
  }

  assert {
    condition     = length(aws_security_group.this) == 0 && output.security_group_id == null
    error_message = "Without a network there is no security group."
  }

  assert {
    condition     = contains(keys(module.alarms.watched), "kafka/output-throttled")
    error_message = "A stream can reject predictions."
  }
}

run "without_pollers_a_batch_that_fails_comes_back_whole" {
  variables {
    mapping = { provisioned = false }
  }

  assert {
    condition     = module.function.settings["KAFKA_PARTIAL_RESPONSE"] == "false" && aws_lambda_event_source_mapping.this.function_response_types == null
    error_message = "A partial response that nobody heeds would lose what it names."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this.provisioned_poller_config) == 0 && length(aws_lambda_event_source_mapping.this.metrics_config) == 0 && aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::sc-failures"
    error_message = "Only the destination is left of what keeps a mapping going."
  }

  assert {
    condition     = !contains(keys(module.alarms.watched), "kafka/dropped") && contains(keys(module.alarms.watched), "kafka/offset-lag")
    error_message = "An alarm on a metric that nobody sends would never come."
  }
}

run "alarms_watch_what_the_mapping_and_the_function_send" {
  assert {
    condition     = module.alarms.watched["kafka/offset-lag"] == "AWS/Lambda OffsetLag {\"FunctionName\":\"sc-test-kafka\"}"
    error_message = "OffsetLag is a metric of the function."
  }

  assert {
    condition = toset(keys(module.alarms.watched)) == toset([for alarm in [
      "dead-letters", "destination-failures", "dropped", "duration", "errors", "no-data", "offset-lag", "on-failure", "throttles",
    ] : "kafka/${alarm}"])
    error_message = "Each symptom has its alarm, and a topic throttles nobody."
  }
}

run "silence_may_be_fine" {
  variables {
    alarms = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms", no_data_minutes = 0 }
  }

  assert {
    condition     = !contains(keys(module.alarms.watched), "kafka/no-data")
    error_message = "Zero minutes switch the alarm off."
  }
}

run "no_policy_has_a_statement_twice" {
  assert {
    condition     = alltrue([for text in values(module.function.policies) : length(distinct(jsondecode(text).Statement[*].Sid)) == length(jsondecode(text).Statement)])
    error_message = "A policy has each Sid once."
  }
}
