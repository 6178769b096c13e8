# What people and systems of this account may do from outside, as policies to be attached to them: who they are,
# this repository does not know. What deploys all this has policies of its own (policies/deployer), which have to
# be there before it.

resource "aws_iam_policy" "callers" {
  for_each = {
    api-callers   = "Places orders by HTTP, asks what became of them, and cancels them."
    queue-senders = "Places orders by queue."
    operators     = "Does to orders what orderctl does, but for placing them."
  }

  name        = local.names.caller_policies[each.key]
  description = each.value
  policy      = templatefile("${path.module}/policies/${each.key}.json", local.in_policies)
}

locals {
  # What stands in policies/*.json as ${…}.
  in_policies = {
    region                = var.region
    live                  = local.live
    api_arn               = aws_apigatewayv2_api.orders.execution_arn
    key_arn               = aws_kms_key.data.arn
    orders_queue_arn      = aws_sqs_queue.orders.arn
    orders_table_arn      = aws_dynamodb_table.orders.arn
    read_models_table_arn = aws_dynamodb_table.read_models.arn
    stock_table_arn       = aws_dynamodb_table.stock.arn
    state_machine_arn     = local.state_machine_arn
    executions_arn        = local.any_execution_arn
    charge_function_arn   = local.asked_functions["charge"]
    notify_function_arn   = local.asked_functions["notify"]
    ship_function_arn     = local.asked_functions["ship"]
  }
}
