output "bootstrap" {
  description = "Settings for an environment. `make bootstrap` writes them to envs/<environment>/bootstrap.auto.tfvars.json."
  value = {
    kms_key_arn   = local.kms_key_arn
    models_bucket = module.models.name
    repositories  = { for kind, registry in module.registry : kind => registry.url }
  }
}

output "state_bucket" {
  description = "Location of Terraform's states, including this one."
  value       = module.state.name
}

output "github_repository" {
  description = "Repository whose workflows may deploy. null: none."
  value       = var.github_repository
}

output "deploy_role_arn" {
  description = "Role for deployments by GitHub's workflows. null: none."
  value       = one(aws_iam_role.deploy[*].arn)
}
