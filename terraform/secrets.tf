# Credentials of the providers, and the operators' webhook. Terraform makes the boxes; the values are put in by hand (or by the
# local stack), so that they are in no state file and in no plan.
resource "aws_secretsmanager_secret" "payment" {
  # checkov:skip=CKV2_AWS_57:A person gets a new one from the provider; no interface of it that issues one is in use here. docs/SECURITY.md says how it is changed.
  name                    = local.names.payment_secret
  description             = "Secret API key of the payment provider."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

resource "aws_secretsmanager_secret" "carrier" {
  # checkov:skip=CKV2_AWS_57:A person gets a new one from the provider; no interface of it that issues one is in use here. docs/SECURITY.md says how it is changed.
  name                    = local.names.carrier_secret
  description             = "API key of the carrier."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

resource "aws_secretsmanager_secret" "notices_webhook" {
  # checkov:skip=CKV2_AWS_57:Whoever receives the notices has to learn the new key first. docs/SECURITY.md says how it is changed.
  count = var.notices_webhook ? 1 : 0

  name                    = local.names.webhook_secret
  description             = "Where notices to operators are posted, and the keys that they are signed with."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}
