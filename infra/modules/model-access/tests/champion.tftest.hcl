# A champion.json names a folder beside it: its role reads both, and no other model's.

mock_provider "aws" {}

variables {
  account = { id = "123456789012", region = "eu-west-1" }
  model   = { location = "s3://sc-models/models/ride-duration/champion.json", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/k" }
}

run "champion_file" {
  command = plan

  assert {
    condition     = output.environment.MODEL_LOCATION == "s3://sc-models/models/ride-duration/champion.json"
    error_message = "the function is told the file"
  }

  assert {
    condition     = output.statements[0].Resource == ["arn:aws:s3:::sc-models/models/ride-duration/*"]
    error_message = "GetObject is for the file and the folders beside it"
  }

  assert {
    condition     = output.statements[1].Condition.StringLike["s3:prefix"] == ["models/ride-duration/*"]
    error_message = "ListBucket is for the folders beside the file"
  }

  assert {
    condition     = contains(output.key_statements[0].Condition.StringLike["kms:EncryptionContext:aws:s3:arn"], "arn:aws:s3:::sc-models/models/ride-duration/*")
    error_message = "the key is for the file and the folders beside it"
  }
}

run "folder" {
  command = plan

  variables {
    model = { location = "s3://sc-models/models/champion.jsonl" }
  }

  assert {
    condition     = output.statements[0].Resource == ["arn:aws:s3:::sc-models/models/champion.jsonl/*"]
    error_message = "any other location is the model's folder"
  }
}
