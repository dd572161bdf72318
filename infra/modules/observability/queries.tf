# A saved query of CloudWatch Logs Insights for each question that an incident asks. The first line of its file is the question.

locals {
  queries = { for file in fileset("${path.module}/queries", "*.txt") : trimsuffix(file, ".txt") => trimspace(file("${path.module}/queries/${file}")) }

  # A widget's query begins with its log group, and a comment of a line would swallow what is behind it.
  widget_queries = { for name, query in local.queries : name => trimspace(replace(query, "/(?m)^#.*$/", "")) }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "${var.name}/${each.key}"
  query_string    = each.value
  log_group_names = [for key, c in var.consumers : "/aws/lambda/${c.function_name}"]
}
