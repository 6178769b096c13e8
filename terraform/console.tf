# The operators' page: one function behind an API of its own, and what it may do.

locals {
  console_url = (
    var.console_url == null
    ? aws_apigatewayv2_api.console.api_endpoint
    : replace(var.console_url, "{api_id}", aws_apigatewayv2_api.console.id)
  )
}

# Not the order API: systems sign what they ask there, and people have a browser.
resource "aws_apigatewayv2_api" "console" {
  name          = local.names.console
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "console" {
  api_id                 = aws_apigatewayv2_api.console.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.console.arn
  payload_format_version = "2.0"
}

# The function signs people in itself: a browser cannot sign requests, and an authorizer cannot send anyone to
# a page where one signs in.
resource "aws_apigatewayv2_route" "console" {
  # checkov:skip=CKV_AWS_309:As above: without a valid token the function shows the way to the sign-in, and nothing else.
  api_id             = aws_apigatewayv2_api.console.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.console.id}"
  authorization_type = "NONE"
}

resource "aws_apigatewayv2_stage" "console" {
  api_id      = aws_apigatewayv2_api.console.id
  name        = "$default"
  auto_deploy = true

  # Some people with a page each, and a bound to what strangers can cost.
  default_route_settings {
    throttling_rate_limit  = 50
    throttling_burst_limit = 100
  }

  # That something was called, and how it ended. Who did what is noted by the function, which knows who is
  # signed in. No paths: strangers choose them.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.console.arn
    format = jsonencode({
      request_id          = "$context.requestId"
      requested_at        = "$context.requestTime"
      method              = "$context.httpMethod"
      status              = "$context.status"
      elapsed_ms          = "$context.responseLatency"
      function_elapsed_ms = "$context.integrationLatency"
      function_error      = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_cloudwatch_log_group" "console" {
  # checkov:skip=CKV_AWS_338:Logs are for looking into what happened lately. What operators did is in the orders table.
  name              = local.names.console_logs
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

# What is called: moving it back is rolling back.
resource "aws_lambda_alias" "console" {
  name             = local.live
  description      = "What shows operators the orders."
  function_name    = module.function["console"].name
  function_version = module.function["console"].version

  # It asks the steps by theirs.
  depends_on = [aws_lambda_alias.asked]
}

resource "aws_lambda_permission" "console" {
  function_name = module.function["console"].name
  qualifier     = aws_lambda_alias.console.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.console.execution_arn}/*/*"
}

# What an operator does to one order is done here; what is wanted of many is handed to the monitor.
data "aws_iam_policy_document" "console" {
  source_policy_documents = [data.aws_iam_policy_document.start.json]

  statement {
    sid       = "Orders"
    actions   = ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  statement {
    sid       = "ReadModels"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
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
    sid       = "SeeOrders"
    actions   = ["states:DescribeExecution", "states:GetExecutionHistory"]
    resources = [local.any_execution_arn]
  }
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
  # Asks charge and ship what became of an effect that nobody knows of, and to undo what no ledger accounts for,
  # never for an effect itself, and notify to send a message once more.
  statement {
    sid       = "AskSteps"
    actions   = ["lambda:InvokeFunction"]
    resources = values(local.asked_functions)
  }
  statement {
    sid       = "AskMonitor"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.monitor_alias_arn]
  }
}
