# A repository that images are pushed to. A tag never moves; functions name images by digest.

resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136: an image holds no customer data; AES-256 with ECR's own key leaves Lambda no key to lose
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }

  # Functions pull what runs from here whenever they start.
  lifecycle {
    prevent_destroy = true
  }
}

# ECR counts each kind by how its tags begin, and an image that one rule knows is left alone by the rules after it. Deployments mark
# what they deploy, so neither images of another kind nor images that were pushed in vain push out what runs.
locals {
  kinds = [for kind in ["deployed-lean", "deployed-doors", "deployed-training", "lean", "doors", "training"] : "${kind}-"]
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = concat([
      {
        rulePriority = 1
        description  = "Images that lost their tag"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
        action       = { type = "expire" }
      },
      ],
      [for at, kind in local.kinds :
        {
          rulePriority = 2 + at
          description  = "All but the newest ${var.keep_images} of ${kind}"
          selection    = { tagStatus = "tagged", tagPrefixList = [kind], countType = "imageCountMoreThan", countNumber = var.keep_images }
          action       = { type = "expire" }
        }
      ],
    )
  })
}

# Without it Lambda writes a policy of its own here, which the next plan would remove.
resource "aws_ecr_repository_policy" "this" {
  count = length(var.function_arns) > 0 ? 1 : 0

  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LambdaPullsTheImage"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Condition = { StringLike = { "aws:SourceArn" = var.function_arns } }
      },
    ]
  })
}
