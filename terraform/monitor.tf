# What watches the orders: one function with three triggers, and what it may do.

# What is called: moving it back is rolling back.
resource "aws_lambda_alias" "monitor" {
  name             = local.live
  description      = "What watches the orders."
  function_name    = module.function["monitor"].name
  function_version = module.function["monitor"].version

  # It asks the steps by theirs.
  depends_on = [aws_lambda_alias.asked]
}

# Executions that begin and end. Best effort on AWS's side; the schedule makes good what is lost.
resource "aws_cloudwatch_event_rule" "execution_status" {
  name        = local.names.status_rule
  description = "Executions of the order process that begin or end."
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail      = { stateMachineArn = [local.state_machine_arn] }
  })
}

resource "aws_cloudwatch_event_target" "execution_status" {
  rule = aws_cloudwatch_event_rule.execution_status.name
  arn  = aws_lambda_alias.monitor.arn

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 20
  }
  dead_letter_config {
    arn = module.dead_events.arn
  }
}

resource "aws_cloudwatch_event_rule" "schedule" {
  name                = local.names.schedule_rule
  description         = "The monitor's sweep."
  schedule_expression = "rate(1 minute)"
}

# One that is missed is made good by the next.
resource "aws_cloudwatch_event_target" "schedule" {
  rule = aws_cloudwatch_event_rule.schedule.name
  arn  = aws_lambda_alias.monitor.arn
}

resource "aws_lambda_permission" "monitor" {
  for_each = {
    execution-status = aws_cloudwatch_event_rule.execution_status.arn
    schedule         = aws_cloudwatch_event_rule.schedule.arn
  }

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = module.function["monitor"].name
  qualifier     = aws_lambda_alias.monitor.name
  principal     = "events.amazonaws.com"
  source_arn    = each.value
}

# Each change of an order's ledger.
resource "aws_lambda_event_source_mapping" "ledger" {
  event_source_arn  = aws_dynamodb_table.orders.stream_arn
  function_name     = aws_lambda_alias.monitor.arn
  starting_position = "LATEST"
  batch_size        = 100
  # Changes of one order that come together are one reconciliation.
  maximum_batching_window_in_seconds = 1
  # What cannot be dealt with must not keep the others waiting: the schedule reconciles it.
  maximum_retry_attempts         = 3
  maximum_record_age_in_seconds  = 600
  bisect_batch_on_function_error = true

  filter_criteria {
    filter {
      pattern = jsonencode({ dynamodb = { Keys = { item = { S = ["state"] } } } })
    }
  }
  destination_config {
    on_failure {
      destination_arn = module.dead_events.arn
    }
  }
}

# Events that the function has failed on.
resource "aws_lambda_function_event_invoke_config" "monitor" {
  function_name                = module.function["monitor"].name
  qualifier                    = aws_lambda_alias.monitor.name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = module.dead_events.arn
    }
  }
}

module "dead_events" {
  source = "./modules/dead_letter_queue"

  name       = local.names.dead_events
  rule_arns  = [aws_cloudwatch_event_rule.execution_status.arn, aws_cloudwatch_event_rule.lost_mail.arn]
  key_id     = aws_kms_key.data.key_id
  topic_arn  = aws_sns_topic.operators.arn
  what_to_do = "Events in ${local.names.dead_events} could not be dealt with. No order is lost: the monitor's schedule reconciles every open one. Its log says why; once it is mended, purge the queue. More: docs/RUNBOOK.md, DeadLetters."
}

data "aws_iam_policy_document" "monitor" {
  source_policy_documents = [data.aws_iam_policy_document.start.json]

  # The repairs and the bulk actions that it carries out are on an order's audit trail; what it may change of
  # the ledger is what an operator may, through the same library. No step's effect is among it.
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  statement {
    sid       = "ReadModels"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.read_models.arn]
  }
  statement {
    sid       = "OpenOrders"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.read_models.arn}/index/open"]
  }
  statement {
    sid       = "ClosedOrders"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.read_models.arn}/index/closed"]
  }
  statement {
    sid       = "Changes"
    actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
    resources = [aws_dynamodb_table.orders.stream_arn]
  }
  statement {
    sid       = "SeeOrders"
    actions   = ["states:DescribeExecution", "states:GetExecutionHistory"]
    resources = [local.any_execution_arn]
  }
  # As AskSteps' notify: what operators want of many orders at once is carried out here.
  statement {
    sid       = "Redrive"
    actions   = ["states:RedriveExecution"]
    resources = [local.any_execution_arn]
  }
  # Wakes what was decided about. Step Functions knows no resource for these actions, only the task token.
  statement {
    sid       = "WakeReviews"
    actions   = ["states:SendTaskFailure", "states:SendTaskSuccess"]
    resources = ["*"]
  }
  # Asks charge and ship what became of an effect that nobody knows of and what their providers hold, never for an
  # effect itself, and notify to send a message once more.
  statement {
    sid       = "AskSteps"
    actions   = ["lambda:InvokeFunction"]
    resources = values(local.asked_functions)
  }
  statement {
    sid       = "Operators"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.operators.arn]
  }
  dynamic "statement" {
    for_each = aws_secretsmanager_secret.notices_webhook
    content {
      sid       = "Webhook"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value.arn]
    }
  }
  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [module.dead_events.arn]
  }
}
