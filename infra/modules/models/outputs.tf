output "name" {
  description = "Name of the bucket."
  value       = module.bucket.name
}

output "arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

output "models_uri" {
  description = "Location of models. A consumer's `model.location` is a folder below it."
  value       = "s3://${module.bucket.name}/models"
}

output "training_uri" {
  description = "Location for training data."
  value       = "s3://${module.bucket.name}/training"
}
