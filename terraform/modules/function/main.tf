# One function, the role that only it has, and its log group.

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116:Step Functions and API Gateway wait for the answer and get the error; the orders queue has a dead-letter queue of its own.
  # checkov:skip=CKV_AWS_117:It talks to AWS and to the providers over TLS, and nothing listens. A VPC would add a NAT gateway that can fail, and keep nobody out.
  # checkov:skip=CKV_AWS_173:Settings and names, no secrets. A key here would be asked for at each cold start.
  # checkov:skip=CKV_AWS_272:Who may write to the packages' bucket may deploy as well; a signature would be made with the same rights.
  function_name    = var.name
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  s3_bucket        = var.artifacts_bucket
  s3_key           = aws_s3_object.artifact.key
  source_code_hash = filebase64sha256(var.artifact)
  architectures    = [var.architecture]
  memory_size      = var.memory_mb
  timeout          = var.timeout_s
  # -1: as many as the account has left.
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  # The state machine and the API name versions, so that a deployment never changes what is in flight.
  publish = true

  environment {
    variables = var.environment
  }

  # Text: the function writes JSON itself, and Lambda must not wrap it once more.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  # With the rights missing, the first invocations would fail and leave no log.
  depends_on = [aws_iam_role_policy.this]
}

# Named by its content: a new build is a new object, and nothing else is.
resource "aws_s3_object" "artifact" {
  bucket = var.artifacts_bucket
  key    = "${var.name}/${filesha256(var.artifact)}.zip"
  source = var.artifact
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338:Logs are for looking into what happened lately. What has to be kept is in the orders table.
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.policy]

  # AWS asks about the stream, which is below the group; the local stack's IAM about the group.
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [aws_cloudwatch_log_group.this.arn, "${aws_cloudwatch_log_group.this.arn}:*"]
  }
  # What it reads and writes is encrypted; the key is of use to it through those services alone. Only a
  # topic wants a new data key of who writes to it.
  statement {
    sid       = "Key"
    actions   = contains(var.encrypted_services, "sns") ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"]
    resources = [var.key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in var.encrypted_services : "${service}.${data.aws_region.current.id}.amazonaws.com"]
    }
  }
  # Asked of who writes to an encrypted log group (CloudWatch Logs User Guide, "Encrypt log data").
  statement {
    sid = "LogKey"
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ]
    resources = [var.key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["logs.${data.aws_region.current.id}.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [aws_cloudwatch_log_group.this.arn]
    }
  }
  # X-Ray knows no resources for writing traces.
  statement {
    sid       = "Traces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

data "aws_region" "current" {}
