output "environment" {
  description = "Settings about the model."
  value = merge(
    var.model.location == null ? {} : { MODEL_LOCATION = var.model.location },
    var.model.digest == null ? {} : { MODEL_DIGEST = var.model.digest },
  )
}

output "statements" {
  description = "Permissions that a role needs to find and read the model's files. Empty for a model in the image."
  value = flatten([for model in local.s3[*] : [
    {
      Sid      = "ReadModel"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${local.bucket}/${model.prefix}/*"] # wildcard: the files of a model directory
    },
    {
      Sid       = "ListModel"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket]
      Condition = { StringLike = { "s3:prefix" = ["${model.prefix}/*"] } } # wildcard: the folder and what is below it
    },
  ]])
}

output "key_statements" {
  description = "Permissions that a role needs for the key of the model's bucket. Separate, since a plan does not know a new key's ARN."
  value = local.s3 == null || var.model.kms_key_arn == null ? [] : [
    {
      Sid      = "DecryptModel"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.model.kms_key_arn]
      Condition = {
        StringEquals = { "kms:ViaService" = "s3.${var.account.region}.amazonaws.com" }
        # The encryption context is the bucket with a bucket key, the object without.
        StringLike = { "kms:EncryptionContext:aws:s3:arn" = [local.bucket, "${local.bucket}/${local.s3.prefix}/*"] } # wildcard: the files of a model directory
      }
    },
  ]
}
