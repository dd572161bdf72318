output "name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "url" {
  description = "URL to push to. An image is `<url>@sha256:…`."
  value       = aws_ecr_repository.this.repository_url
}
