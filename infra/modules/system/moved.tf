# What infra/bootstrap keeps since November 2026: Terraform forgets it here, and takes nothing away. `make bootstrap` takes it over.

removed {
  from = module.registry

  lifecycle {
    destroy = false
  }
}

removed {
  from = module.models

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_kms_key.this

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_kms_alias.this

  lifecycle {
    destroy = false
  }
}
