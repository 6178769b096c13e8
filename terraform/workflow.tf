locals {
  # The functions that it calls.
  steps = ["validate", "charge", "ship", "notify"]
}

# The order process. Executions start through the alias: orders in flight finish on the definition
# and the function versions they started with, and rolling back is moving the alias.
resource "aws_sfn_state_machine" "orders" {
  name     = local.names.workflow
  type     = "STANDARD"
  role_arn = aws_iam_role.workflow.arn
  publish  = true

  definition = templatefile("${path.root}/../statemachine/order.asl.json", {
    for step in local.steps : "${step}_function_arn" => module.function[step].qualified_arn
  })

  # Execution data is ids and amounts only, so it may be logged in full.
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.workflow.arn}:*"
    include_execution_data = true
    level                  = "ALL"
  }

  tracing_configuration {
    enabled = true
  }

  # Step Functions checks the role's rights when the state machine is made.
  depends_on = [aws_iam_role_policy.workflow]
}

resource "aws_sfn_alias" "live" {
  name        = "live"
  description = "What new orders start with."

  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.orders.state_machine_version_arn
    weight                    = 100
  }
}

# The vendedlogs prefix keeps the log group's resource policy from growing with every state machine.
resource "aws_cloudwatch_log_group" "workflow" {
  name              = local.names.workflow_logs
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "workflow" {
  name               = local.names.workflow_role
  assume_role_policy = data.aws_iam_policy_document.workflow_trust.json
}

resource "aws_iam_role_policy" "workflow" {
  name   = "workflow"
  role   = aws_iam_role.workflow.id
  policy = data.aws_iam_policy_document.workflow.json
}

data "aws_iam_policy_document" "workflow_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "workflow" {
  # Every version, not the newest alone: an order that has been waiting for a review since before
  # the last deployment still calls the versions it started with.
  statement {
    sid       = "Steps"
    actions   = ["lambda:InvokeFunction"]
    resources = [for step in local.steps : "${module.function[step].arn}:*"]
  }
  # Log delivery and tracing know no resources (Step Functions Developer Guide, "Logging", "X-Ray").
  statement {
    sid = "Logs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
  statement {
    sid = "Traces"
    actions = [
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    resources = ["*"]
  }
}
