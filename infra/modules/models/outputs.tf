output "name" {
  description = "Name of the bucket."
  value       = module.bucket.name
}

output "arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

output "models_uri" {
  description = "Where models go: a consumer's `model.location` is a folder below it."
  value       = "s3://${module.bucket.name}/models"
}

output "training_uri" {
  description = "Where training data goes."
  value       = "s3://${module.bucket.name}/training"
}
