# A shared environment to try things in: the same as production, but it may be taken down.
environment         = "dev"
region              = "us-east-1"
deletion_protection = false
log_retention_days  = 14
monthly_budget_usd  = 40
# Passwords alone, as long as nobody sets up more.
console_mfa = "OPTIONAL"
# New accounts have few concurrent executions and cannot reserve any.
reserved_concurrency = null

# Yours, as in prod.tfvars. Put keys of the providers' test modes into this environment's secrets.
sender_address = "orders@example.com"

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
