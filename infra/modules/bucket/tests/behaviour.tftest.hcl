mock_provider "aws" {}

variables {
  name        = "sc-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  expire_days = { "dead-letters/" = 180 }
}

run "old_versions_and_old_objects_go" {
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : [rule.id, rule.filter[0].prefix, try(rule.expiration[0].days, null)]] == [["housekeeping", "", null], ["expire-dead-letters/", "dead-letters/", 180]]
    error_message = "Only prefixes that were named expire."
  }
}

run "the_key_is_used_through_a_bucket_key" {
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "Without a bucket key the encryption context is the object, and the consumers' policies would not fit."
  }
}
