# Orders in, over HTTP.
resource "aws_apigatewayv2_api" "orders" {
  name          = local.names.api
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "intake" {
  api_id                 = aws_apigatewayv2_api.orders.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.intake.arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "intake" {
  for_each = toset([
    "POST /orders",
    "GET /orders/{order_id}",
    "POST /orders/{order_id}/cancel",
  ])

  api_id             = aws_apigatewayv2_api.orders.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.intake.id}"
  authorization_type = var.api_authorization
}

resource "aws_apigatewayv2_stage" "live" {
  api_id      = aws_apigatewayv2_api.orders.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.api_throttle.rate
    throttling_burst_limit = var.api_throttle.burst
  }

  # Who called what, and how it ended: no addresses, no bodies.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      request_id          = "$context.requestId"
      requested_at        = "$context.requestTime"
      caller              = "$context.identity.caller"
      route               = "$context.routeKey"
      status              = "$context.status"
      elapsed_ms          = "$context.responseLatency"
      function_elapsed_ms = "$context.integrationLatency"
      function_error      = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_cloudwatch_log_group" "api" {
  # checkov:skip=CKV_AWS_338:Logs are for looking into what happened lately. What has to be kept is in the orders table.
  name              = local.names.api_logs
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

# What is called: moving it back is rolling back.
resource "aws_lambda_alias" "intake" {
  name             = local.live
  description      = "What answers requests."
  function_name    = module.function["intake"].name
  function_version = module.function["intake"].version
}

resource "aws_lambda_permission" "api" {
  function_name = module.function["intake"].name
  qualifier     = aws_lambda_alias.intake.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.orders.execution_arn}/*/*"
}
