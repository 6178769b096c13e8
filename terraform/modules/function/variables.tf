variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-_]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, - and _."
  }
}

variable "artifact" {
  description = "Path of the zip that holds the `bootstrap` binary."
  type        = string

  validation {
    condition     = endswith(var.artifact, ".zip")
    error_message = "artifact must be a .zip file."
  }
}

variable "artifacts_bucket" {
  description = "Bucket that the zip is handed to Lambda through."
  type        = string

  validation {
    condition     = length(var.artifacts_bucket) >= 3
    error_message = "artifacts_bucket must be the name of a bucket."
  }
}

variable "architecture" {
  description = "arm64 or x86_64; what the binary was built for."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory in MB; processor time comes in proportion."
  type        = number

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "memory_mb must be from 128 to 10240."
  }
}

variable "timeout_s" {
  description = "Seconds after which Lambda ends an invocation."
  type        = number

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "timeout_s must be from 1 to 900."
  }
}

variable "environment" {
  description = "Environment variables: settings and names of resources, never secrets."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "environment must have UPPER_CASE names."
  }
}

variable "policy" {
  description = "IAM policy document (JSON) with what this function may do beyond writing its logs and traces."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy))
    error_message = "policy must be JSON."
  }
}

variable "log_retention_days" {
  description = "How long the log group keeps its events, in days."
  type        = number

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be at least 1."
  }
}

variable "encrypted_services" {
  description = "Services, as kms:ViaService names them, whose data the function reads or writes under the key."
  type        = list(string)

  validation {
    condition     = length(var.encrypted_services) > 0 && alltrue([for service in var.encrypted_services : can(regex("^[a-z0-9]+$", service))])
    error_message = "encrypted_services must name at least one service, such as dynamodb."
  }
}

variable "key_arn" {
  description = "ARN of the key that everything is encrypted with."
  type        = string

  validation {
    condition     = length(var.key_arn) > 0
    error_message = "key_arn must be the ARN of a key."
  }
}

variable "reserved_concurrency" {
  description = "How many run at once at most, kept free for this function; null for no bound."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null || try(var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency, false)
    error_message = "reserved_concurrency must be a whole number, at least 1, or null: at 0 the function would be switched off."
  }
}
