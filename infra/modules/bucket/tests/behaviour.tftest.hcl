mock_provider "aws" {}

variables {
  name        = "sc-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  expire_days = { "dead-letters/" = 180 }

  force_destroy = true # what is kept cannot be taken down after the runs
}

run "old_versions_and_old_objects_go" {
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : [rule.id, rule.filter[0].prefix, try(rule.expiration[0].days, null)]] == [["housekeeping", "", null], ["expire-dead-letters/", "dead-letters/", 180]]
    error_message = "Only prefixes that were named expire."
  }
}

run "a_disposable_bucket_goes" {
  command = plan

  assert {
    condition     = length(terraform_data.kept) == 0
    error_message = "terraform destroy deletes dev with what is in it."
  }
}

run "any_other_bucket_is_kept" {
  command = plan

  variables {
    force_destroy = false
  }

  assert {
    condition     = length(terraform_data.kept) == 1
    error_message = "Without it terraform destroy would take the policy, the encryption and the key of a bucket that stays."
  }
}

run "the_key_is_used_through_a_bucket_key" {
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "Without a bucket key the encryption context is the object, and the consumers' policies would not fit."
  }
}
