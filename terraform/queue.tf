# Orders in, by queue: for systems of this account that need no answer. Whoever may send to it places
# orders; whether an order came about is asked of the API.
resource "aws_sqs_queue" "orders" {
  name                              = local.names.orders_queue
  kms_master_key_id                 = aws_kms_key.data.key_id
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 1209600 # 14 days, the longest there is
  # Six times the function's timeout (Lambda Developer Guide, "Using Lambda with Amazon SQS").
  visibility_timeout_seconds = 6 * local.functions.intake-queue.timeout_s

  # An outage of the database is over in less than five tries, which take twenty minutes.
  redrive_policy = jsonencode({
    deadLetterTargetArn = module.dead_orders.arn
    maxReceiveCount     = 5
  })
}

module "dead_orders" {
  source = "./modules/dead_letter_queue"

  name       = local.names.dead_orders
  queue_arns = ["arn:${local.partition}:sqs:${var.region}:${local.account}:${local.names.orders_queue}"]
  key_id     = aws_kms_key.data.key_id
  topic_arn  = aws_sns_topic.operators.arn
  what_to_do = "Messages in ${local.names.dead_orders} are no orders, or could not be stored for twenty minutes. The log of ${local.prefix}-intake-queue says why, by the message's id. Ask the sender to mend what is no order and delete it here; move the others back to ${local.names.orders_queue} (SQS console, Start DLQ redrive): taking an order twice is safe."
}

resource "aws_lambda_alias" "intake_queue" {
  name             = local.live
  description      = "What takes orders from the queue."
  function_name    = module.function["intake-queue"].name
  function_version = module.function["intake-queue"].version
}

resource "aws_lambda_event_source_mapping" "orders" {
  event_source_arn = aws_sqs_queue.orders.arn
  function_name    = aws_lambda_alias.intake_queue.arn
  # A contract test holds it against the function's timeout.
  batch_size              = 5
  function_response_types = ["ReportBatchItemFailures"]

  # Not more than is reserved, or messages would be received and thrown back; where nothing is, the least
  # there is.
  scaling_config {
    maximum_concurrency = coalesce(local.at_once["intake-queue"], 2)
  }
}
