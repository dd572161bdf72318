output "name" {
  description = "Name of the bucket, known before it exists."
  value       = var.name
  depends_on  = [aws_s3_bucket_server_side_encryption_configuration.this, aws_s3_bucket_policy.this]
}

output "arn" {
  description = "ARN of the bucket, known before it exists."
  value       = local.arn
  depends_on  = [aws_s3_bucket_server_side_encryption_configuration.this, aws_s3_bucket_policy.this]
}
