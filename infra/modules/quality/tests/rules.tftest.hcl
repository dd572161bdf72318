# Every rule of variables.tf has a case that breaks it and nothing else.

mock_provider "aws" {}

variables {
  name        = "sc-test-quality-rides"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc-doors@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  bucket      = { name = "sc-archive", arn = "arn:aws:s3:::sc-archive", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  archives    = { predictions = "predictions/rides", outcomes = "outcomes" }
  results     = "quality/rides"
  champion    = { uri = "s3://sc-models/models/ride-duration/champion.json" }
  topic_arn   = "arn:aws:sns:eu-west-1:123456789012:sc-alarms"
}

run "name_without_room_for_the_schedules_role" {
  command = plan

  variables {
    name = "sc-test-quality-a-consumer-whose-name-is-long-enough-by-itself"
  }

  expect_failures = [var.name]
}

run "archive_that_is_a_wildcard" {
  command = plan

  variables {
    archives = { predictions = "predictions/*", outcomes = "outcomes" }
  }

  expect_failures = [var.archives]
}

run "groups_without_events" {
  command = plan

  variables {
    group = "PULocationID"
  }

  expect_failures = [var.group]
}

run "wait_without_a_unit" {
  command = plan

  variables {
    wait = "24"
  }

  expect_failures = [var.wait]
}

run "champion_on_this_machine" {
  command = plan

  variables {
    champion = { uri = "models/champion.json" }
  }

  expect_failures = [var.champion]
}

run "nothing_to_compare_with" {
  command = plan

  variables {
    champion = null
  }

  expect_failures = [var.registered]
}
