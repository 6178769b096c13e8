# Production. Everything not named here has the default that production should have.
environment        = "prod"
region             = "us-east-1"
log_retention_days = 90

# Yours: the AWS account (any other is refused), what it may cost, who is notified, the address
# customers hear from, and what your ShipStation account ships with. Without the first two nothing is deployed.
# account_id       = "123456789012"
# operator_emails  = ["on-call@example.com"]
monthly_budget_usd = 100
sender_address     = "orders@example.com"

carrier = {
  id                 = "se-123456"
  service_code       = "usps_priority_mail"
  warehouse_id       = "se-654321"
  contact_phone      = "+1 555 0100"
  grams_per_piece    = 500
  domestic_countries = ["US"]
  # Without the first, nothing is sold abroad; without the second, nothing that takes more than one parcel.
  # service_code_abroad = "usps_priority_mail_international"
  # multi_package       = true
}
