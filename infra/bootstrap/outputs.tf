output "bootstrap" {
  description = "What an environment is given; `make bootstrap` writes it to envs/<environment>/bootstrap.auto.tfvars.json."
  value = {
    kms_key_arn   = local.kms_key_arn
    models_bucket = module.models.name
    repositories  = { for kind, registry in module.registry : kind => registry.url }
  }
}

output "state_bucket" {
  description = "Where Terraform keeps the states, this one too."
  value       = module.state.name
}

output "github_repository" {
  description = "Whose workflows may deploy; null: nobody's."
  value       = var.github_repository
}

output "deploy_role_arn" {
  description = "Role that GitHub's workflows take on to deploy; null: there is none."
  value       = one(aws_iam_role.deploy[*].arn)
}
