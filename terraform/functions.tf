locals {
  # One row for each function; tools and tests read it, too. kind: who calls it. timeout_s: longer than what the
  # function's own attempts can add up to, shorter than its Task's TimeoutSeconds and, behind API Gateway, than
  # 30 s; a test holds them against each other. at_once: how many of
  # it run at once, unless var.reserved_concurrency says otherwise. encrypted_services: whose data
  # it reads or writes with the key.
  functions = jsondecode(file("${path.root}/functions.json"))

  # Null: no bound. Stripe takes 100 requests a second (docs.stripe.com/rate-limits), ShipStation 200 a minute
  # (docs.shipstation.com/rate-limits); a call takes about a second.
  at_once = {
    for name, function in local.functions : name =>
    var.reserved_concurrency == null ? null : lookup(var.reserved_concurrency, name, function.at_once)
  }

  environment_of_all = {
    ENVIRONMENT  = var.environment
    RUST_LOG     = var.log_filter
    ORDERS_TABLE = aws_dynamodb_table.orders.name
  }

  # What validate refuses by, and ship buys by.
  packing = {
    CARRIER_GRAMS_PER_PIECE    = tostring(var.carrier.grams_per_piece)
    CARRIER_MAX_PARCEL_G       = tostring(var.carrier.max_parcel_g)
    CARRIER_DOMESTIC_COUNTRIES = jsonencode(var.carrier.domestic_countries)
    CARRIER_MULTI_PACKAGE      = tostring(var.carrier.multi_package)
    # Empty: nothing is sold abroad.
    CARRIER_SERVICE_CODE_ABROAD = var.carrier.service_code_abroad == null ? "" : var.carrier.service_code_abroad
  }

  # The settings of each, and what each may do.
  settings = {
    validate = {
      policy = data.aws_iam_policy_document.validate.json
      environment = merge(local.packing, {
        STOCK_TABLE   = aws_dynamodb_table.stock.name
        REVIEW_LIMITS = jsonencode(var.review_limits)
        # Empty: no address is looked up.
        CARRIER_API_URL    = var.carrier.validate_addresses ? var.carrier_api_url : ""
        CARRIER_SECRET_ARN = var.carrier.validate_addresses ? aws_secretsmanager_secret.carrier.arn : ""
      })
    }
    charge = {
      policy = data.aws_iam_policy_document.charge.json
      environment = {
        PAYMENT_API_URL      = var.payment_api_url
        PAYMENT_SECRET_ARN   = aws_secretsmanager_secret.payment.arn
        PAYMENT_SEARCH_LAG_S = tostring(var.payment_search_lag_s)
      }
    }
    ship = {
      policy = data.aws_iam_policy_document.ship.json
      environment = merge(local.packing, {
        STOCK_TABLE             = aws_dynamodb_table.stock.name
        CARRIER_API_URL         = var.carrier_api_url
        CARRIER_SECRET_ARN      = aws_secretsmanager_secret.carrier.arn
        CARRIER_ID              = var.carrier.id
        CARRIER_SERVICE_CODE    = var.carrier.service_code
        CARRIER_WAREHOUSE_ID    = var.carrier.warehouse_id
        CARRIER_CONTACT_PHONE   = var.carrier.contact_phone
        CARRIER_SETTLED_AFTER_S = tostring(var.carrier_settled_after_s)
      })
    }
    notify = {
      policy = data.aws_iam_policy_document.notify.json
      environment = {
        SENDER_ADDRESS         = var.sender_address
        MAIL_CONFIGURATION_SET = aws_sesv2_configuration_set.mail.configuration_set_name
        OPERATORS_TOPIC_ARN    = aws_sns_topic.operators.arn
      }
    }
    intake = {
      policy = data.aws_iam_policy_document.intake.json
      environment = {
        READ_MODELS_TABLE = aws_dynamodb_table.read_models.name
        STATE_MACHINE_ARN = local.live_alias_arn
      }
    }
    intake-queue = {
      policy = data.aws_iam_policy_document.intake_queue.json
      environment = {
        READ_MODELS_TABLE = aws_dynamodb_table.read_models.name
        STATE_MACHINE_ARN = local.live_alias_arn
      }
    }
    monitor = {
      policy = data.aws_iam_policy_document.monitor.json
      environment = {
        READ_MODELS_TABLE   = aws_dynamodb_table.read_models.name
        STATE_MACHINE_ARN   = local.live_alias_arn
        OPERATORS_TOPIC_ARN = aws_sns_topic.operators.arn
        STEP_FUNCTIONS      = jsonencode(local.asked_functions)
        CONSOLE_URL         = local.console_url
        LIMITS              = jsonencode(var.monitoring)
        # Empty without a webhook.
        NOTICES_WEBHOOK_SECRET_ARN = join("", aws_secretsmanager_secret.notices_webhook[*].arn)
      }
    }
    console = {
      policy = data.aws_iam_policy_document.console.json
      environment = {
        READ_MODELS_TABLE = aws_dynamodb_table.read_models.name
        STATE_MACHINE_ARN = local.live_alias_arn
        STEP_FUNCTIONS    = jsonencode(local.asked_functions)
        MONITOR_FUNCTION  = local.monitor_alias_arn
        # What links to executions and logs begin with; a laptop has no such pages.
        AWS_CONSOLE_URL = var.environment == "local" ? "" : "https://${var.region}.console.aws.amazon.com"
        CONSOLE_URL     = local.console_url
        SIGN_IN         = var.console_open ? "none" : jsonencode(local.sign_in)
      }
    }
  }

  # By name: a function of this list cannot refer to another one.
  functions_arn = "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.prefix}"
  # By the alias, so that a rollback takes them back with who asks them.
  asked_functions = {
    for step in ["charge", "notify", "ship"] : step => "${local.functions_arn}-${step}:${local.live}"
  }
  monitor_alias_arn = "${local.functions_arn}-monitor:${local.live}"

  # From names, not from the resources: they depend on the functions.
  states_arn        = "arn:${local.partition}:states:${var.region}:${local.account}"
  state_machine_arn = "${local.states_arn}:stateMachine:${local.names.workflow}"
  live              = "live"
  live_alias_arn    = "${local.state_machine_arn}:${local.live}"
  any_execution_arn = "${local.states_arn}:execution:${local.names.workflow}:*"
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name     = "${local.prefix}-${each.key}"
  artifact = "${var.artifacts_dir}/${each.key}/bootstrap.zip"
  # Not before it encrypts with the key.
  artifacts_bucket   = aws_s3_bucket_server_side_encryption_configuration.artifacts.bucket
  architecture       = var.architecture
  memory_mb          = each.value.memory_mb
  timeout_s          = coalesce(var.timeout_override_s, each.value.timeout_s)
  environment        = merge(local.environment_of_all, local.settings[each.key].environment)
  policy             = local.settings[each.key].policy
  encrypted_services = each.value.encrypted_services
  key_arn            = aws_kms_key.data.arn
  log_retention_days = var.log_retention_days

  reserved_concurrency = local.at_once[each.key]
}

# What operators and the monitor ask; the process calls versions. Moving one back is rolling back.
resource "aws_lambda_alias" "asked" {
  for_each = local.asked_functions

  name             = local.live
  description      = "What answers operators and the monitor."
  function_name    = module.function[each.key].name
  function_version = module.function[each.key].version
}

# Zips go to the functions through a bucket: the provider uploads straight to Lambda one at a time
# (five seconds each), and Lambda takes no more than 50 MB that way.
resource "aws_s3_bucket" "artifacts" {
  # checkov:skip=CKV_AWS_144:Packages are built anew from the same commit.
  # checkov:skip=CKV_AWS_18:Read by Lambda when a function is deployed and by nobody else; CloudTrail has that.
  # checkov:skip=CKV_AWS_21:Each package is named by its content and is never overwritten.
  # checkov:skip=CKV2_AWS_61:Terraform removes a replaced package; Lambda keeps its own copy of each version.
  # checkov:skip=CKV2_AWS_62:Nobody has to hear of a new package.
  bucket        = local.names.artifacts
  force_destroy = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# --- what each may do -------------------------------------------------------------------------

data "aws_iam_policy_document" "validate" {
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  # A transaction needs the right to each operation in it and none of its own.
  statement {
    sid       = "Stock"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.stock.arn]
  }
  dynamic "statement" {
    for_each = var.carrier.validate_addresses ? [aws_secretsmanager_secret.carrier.arn] : []
    content {
      sid       = "Credentials"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "charge" {
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  statement {
    sid       = "Credentials"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.payment.arn]
  }
}

data "aws_iam_policy_document" "ship" {
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  # What articles weigh.
  statement {
    sid       = "Catalogue"
    actions   = ["dynamodb:BatchGetItem"]
    resources = [aws_dynamodb_table.stock.arn]
  }
  statement {
    sid       = "Credentials"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.carrier.arn]
  }
}

data "aws_iam_policy_document" "notify" {
  # The check: a review is opened only while nobody has cancelled the order.
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:ConditionCheckItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  # SES asks for the configuration set, for the sender's identity, and for the receiver's where that is verified in
  # this account as well, as everyone's is in its sandbox. The local stack's IAM asks for any, and knows no condition.
  statement {
    sid     = "Customers"
    actions = ["ses:SendEmail"]
    resources = (
      var.environment == "local"
      ? ["*"]
      : [
        "arn:${local.partition}:ses:${var.region}:${local.account}:configuration-set/${local.names.mail}",
        "arn:${local.partition}:ses:${var.region}:${local.account}:identity/*",
      ]
    )

    dynamic "condition" {
      for_each = var.environment == "local" ? [] : [var.sender_address]
      content {
        test     = "StringEquals"
        variable = "ses:FromAddress"
        values   = [condition.value]
      }
    }
  }
  statement {
    sid       = "Operators"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.operators.arn]
  }
  # A review that was decided before it was asked for. Step Functions knows no resource for these
  # actions, only the task token.
  statement {
    sid       = "DecidedReviews"
    actions   = ["states:SendTaskFailure", "states:SendTaskSuccess"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "intake" {
  source_policy_documents = [data.aws_iam_policy_document.start.json]

  statement {
    sid       = "Orders"
    actions   = ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  # A new order is announced to the monitor in the write that stores it.
  statement {
    sid       = "Announce"
    actions   = ["dynamodb:PutItem"]
    resources = [aws_dynamodb_table.read_models.arn]
  }
  statement {
    sid       = "SeeOrders"
    actions   = ["states:DescribeExecution"]
    resources = [local.any_execution_arn]
  }
  # Ends a waiting review. Step Functions knows no resource for this action, only the task token.
  statement {
    sid       = "EndReviews"
    actions   = ["states:SendTaskFailure"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "intake_queue" {
  source_policy_documents = [data.aws_iam_policy_document.start.json]

  statement {
    sid       = "Orders"
    actions   = ["dynamodb:PutItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.orders.arn]
  }
  # A new order is announced to the monitor in the write that stores it.
  statement {
    sid       = "Announce"
    actions   = ["dynamodb:PutItem"]
    resources = [aws_dynamodb_table.read_models.arn]
  }
  statement {
    sid       = "Messages"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.orders.arn]
  }
}

# Both front doors, the monitor and the operators' page start executions, through the alias and no other way.
data "aws_iam_policy_document" "start" {
  # AWS checks a start through an alias against the state machine's own ARN and names the alias in
  # the condition (Step Functions Developer Guide, "Authorization for aliases and versions") …
  statement {
    sid       = "StartOrders"
    actions   = ["states:StartExecution"]
    resources = [local.state_machine_arn]
    # The key has a list of values.
    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "states:StateMachineQualifier"
      values   = [local.live]
    }
  }
  # … and the local stack's IAM against the ARN that is called.
  statement {
    sid       = "StartOrdersByAlias"
    actions   = ["states:StartExecution"]
    resources = [local.live_alias_arn]
  }
}
