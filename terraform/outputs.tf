output "api_url" {
  description = "Base URL of the order API, without a trailing slash."
  value       = aws_apigatewayv2_api.orders.api_endpoint
}

output "api_id" {
  description = "Id of the order API; the local stack builds its address from it."
  value       = aws_apigatewayv2_api.orders.id
}

output "console_url" {
  description = "Address of the operators' page, without a trailing slash."
  value       = local.console_url
}

output "console_api_id" {
  description = "Id of the operators' page's API; the local stack builds its address from it."
  value       = aws_apigatewayv2_api.console.id
}

output "console_user_pool_id" {
  description = "Id of the user pool that operators are in; null where the page has another issuer, or is open."
  value       = one([for pool in aws_cognito_user_pool.operators : pool.id])
}

output "state_machine_arn" {
  description = "ARN of the order process."
  value       = aws_sfn_state_machine.orders.arn
}

output "state_machine_alias_arn" {
  description = "ARN that orders are started through."
  value       = aws_sfn_alias.live.arn
}

output "orders_table" {
  description = "Name of the orders table."
  value       = aws_dynamodb_table.orders.name
}

output "read_models_table" {
  description = "Name of the table of what operators know of the orders."
  value       = aws_dynamodb_table.read_models.name
}

output "stock_table" {
  description = "Name of the stock table."
  value       = aws_dynamodb_table.stock.name
}

output "operators_topic_arn" {
  description = "ARN of the topic that operators subscribe to."
  value       = aws_sns_topic.operators.arn
}

output "payment_secret_arn" {
  description = "ARN of the secret that takes the payment provider's key."
  value       = aws_secretsmanager_secret.payment.arn
}

output "carrier_secret_arn" {
  description = "ARN of the secret that takes the carrier's key."
  value       = aws_secretsmanager_secret.carrier.arn
}

output "notices_webhook_secret_arn" {
  description = "ARN of the secret that takes the webhook's address and keys; null without a webhook."
  value       = one(aws_secretsmanager_secret.notices_webhook[*].arn)
}

output "functions" {
  description = "Every function: its name, its ARN with the version in use, and its log group."
  value = {
    for name, function in module.function : name => {
      name          = function.name
      qualified_arn = function.qualified_arn
      log_group     = function.log_group
    }
  }
}

output "asked_functions" {
  description = "ARN of the alias of each step that operators and the monitor may ask."
  value       = local.asked_functions
}

output "dashboard_url" {
  description = "The dashboard in CloudWatch's console."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${local.names.dashboard}"
}

output "orders_queue_url" {
  description = "URL of the queue that takes order documents from systems of this account."
  value       = aws_sqs_queue.orders.url
}

output "orders_queue_arn" {
  description = "ARN of that queue, for the policies of who sends to it."
  value       = aws_sqs_queue.orders.arn
}

output "caller_policy_arns" {
  description = "ARNs of the policies to attach to who calls the order API, who sends to the queue, and operators with orderctl."
  value       = { for name, policy in aws_iam_policy.callers : name => policy.arn }
}

output "dead_letter_queue_url" {
  description = "URL of the queue of messages that became no orders."
  value       = module.dead_orders.url
}

output "function_aliases" {
  description = "Alias of every function that is called by its alias, besides by the state machine or instead: moving one is a rollback of its function."
  value = {
    for alias in concat(
      [aws_lambda_alias.intake, aws_lambda_alias.intake_queue, aws_lambda_alias.monitor, aws_lambda_alias.console],
      values(aws_lambda_alias.asked),
    ) : alias.function_name => alias.name
  }
}

output "key_arn" {
  description = "ARN of the key that everything is encrypted with."
  value       = aws_kms_key.data.arn
}

output "workflow_log_group" {
  description = "Log group of the order process."
  value       = aws_cloudwatch_log_group.workflow.name
}

output "api_log_group" {
  description = "Log group of the order API's access log."
  value       = aws_cloudwatch_log_group.api.name
}

output "console_log_group" {
  description = "Log group of the operators' page's access log."
  value       = aws_cloudwatch_log_group.console.name
}
