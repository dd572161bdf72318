variable "account" {
  description = "Account in which the model is read, for ARNs."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "model" {
  description = "The model, unless it is baked into the image."
  type = object({
    location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
    digest      = optional(string) # sha256 of the model directory, obligatory for a pickled model
    kms_key_arn = optional(string) # key of the bucket of an s3:// location
  })
  default = {}

  validation {
    condition     = var.model.location == null || can(regex("^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^*?]*[^*?/]|/[^*?]+)$", var.model.location))
    error_message = "A model's location is s3://bucket/folder or an absolute path in the image; the image has no mlflow and cannot load models:/: use the folder of the model version."
  }

  validation {
    condition     = var.model.digest == null || can(regex("^[0-9a-f]{64}$", var.model.digest))
    error_message = "A model's digest is the sha256 of the model directory, 64 hex digits."
  }
}
