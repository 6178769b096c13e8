# Production. Everything not named here has the default that production should have.
environment        = "prod"
log_retention_days = 90

# Yours: the address customers hear from, and what your ShipStation account ships with.
sender_address = "orders@example.com"

carrier = {
  id              = "se-123456"
  service_code    = "usps_priority_mail"
  warehouse_id    = "se-654321"
  contact_phone   = "+1 555 0100"
  grams_per_piece = 500
}
