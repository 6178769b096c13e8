# The stack on a laptop. `make up` adds the provider's addresses and the processor.
environment            = "local"
region                 = "us-east-1"
api_authorization      = "NONE"
console_open           = true
deletion_protection    = false
point_in_time_recovery = false
log_retention_days     = 1
sender_address         = "orders@example.com"
# It has no Logs Insights either.
saved_queries = false
# The sandbox receives what is posted.
notices_webhook = true
# The sandbox neither lags nor works on what was given up.
payment_search_lag_s    = 1
carrier_settled_after_s = 1

carrier = {
  id                  = "se-1"
  service_code        = "usps_priority_mail"
  service_code_abroad = "usps_priority_mail_international"
  warehouse_id        = "se-1"
  contact_phone       = "+1 555 0100"
  grams_per_piece     = 500
  multi_package       = true
  domestic_countries  = ["US"]
  validate_addresses  = true
}
