locals {
  # The functions that it calls.
  steps = [for name, function in local.functions : name if function.kind == "step"]
}

# The order process. Executions start through the alias: orders in flight finish on the definition
# and the function versions they started with, and rolling back is moving the alias (docs/DEPLOYING.md).
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

  encryption_configuration {
    type                              = "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = aws_kms_key.data.arn
    kms_data_key_reuse_period_seconds = 300
  }

  # Step Functions takes its time to show a change, and to end what still runs.
  timeouts {
    create = "10m"
    update = "10m"
    delete = "15m"
  }

  # Step Functions checks the role's rights when the state machine is made.
  depends_on = [aws_iam_role_policy.workflow]
}

resource "aws_sfn_alias" "live" {
  name        = local.live
  description = "What new orders start with."

  dynamic "routing_configuration" {
    for_each = local.routes
    content {
      state_machine_version_arn = routing_configuration.value.version
      weight                    = routing_configuration.value.weight
    }
  }
}

locals {
  newest_version = aws_sfn_state_machine.orders.state_machine_version_arn
  stable_version = var.stable_version == null ? null : "${local.state_machine_arn}:${var.stable_version}"

  # A canary needs something to be compared with: the first deployment takes all orders at once.
  routes = (
    var.deployment == "canary" && local.stable_version != null && local.stable_version != local.newest_version
    ? [
      { version = local.newest_version, weight = var.canary_percent },
      { version = local.stable_version, weight = 100 - var.canary_percent },
    ]
    : [{ version = local.newest_version, weight = 100 }]
  )
}

# The vendedlogs prefix keeps the log group's resource policy from growing with every state machine.
resource "aws_cloudwatch_log_group" "workflow" {
  # checkov:skip=CKV_AWS_338:Logs are for looking into what happened lately. What has to be kept is in the orders table.
  name              = local.names.workflow_logs
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
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
      values   = [local.account]
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
  # What it keeps of an execution, and what of it goes to the log. Without kms:ViaService, which Step
  # Functions does not set for its own data (Developer Guide, "Data at rest encryption").
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:states:stateMachineArn"
      values   = [local.state_machine_arn]
    }
  }
  statement {
    sid       = "LogKey"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:SourceArn"
      values   = ["arn:${local.partition}:logs:${var.region}:${local.account}:*"]
    }
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
