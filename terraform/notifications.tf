# The address customers' messages come from.
resource "aws_sesv2_email_identity" "sender" {
  email_identity = var.sender_address
}

# Operators subscribe to this; what is said there names the next action.
resource "aws_sns_topic" "operators" {
  name              = local.names.operators_topic
  kms_master_key_id = "alias/aws/sns"
}
