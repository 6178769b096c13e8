variable "name" {
  description = "Name of the queue; the alarm's begins with it."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-_]{1,80}$", var.name))
    error_message = "name must be 1 to 80 letters, digits, - and _."
  }
}

variable "queue_arns" {
  description = "ARNs of the queues whose messages end up here, and no other's; by name, as those queues depend on this one."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.queue_arns : strcontains(arn, ":sqs:")])
    error_message = "queue_arns must be ARNs of queues."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules whose undelivered events end up here."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.rule_arns : strcontains(arn, ":events:")])
    error_message = "rule_arns must be ARNs of rules."
  }
}

variable "key_id" {
  description = "Id or ARN of the key that messages are encrypted with."
  type        = string

  validation {
    condition     = length(var.key_id) > 0
    error_message = "key_id must be the id or ARN of a key."
  }
}

variable "topic_arn" {
  description = "ARN of the topic that hears of the first message, and of the last one's going."
  type        = string

  validation {
    condition     = length(var.topic_arn) > 0
    error_message = "topic_arn must be the ARN of a topic."
  }
}

variable "what_to_do" {
  description = "The alarm's text: what is in the queue, and what a person does about it."
  type        = string

  validation {
    condition     = length(var.what_to_do) > 20
    error_message = "what_to_do must tell a person what to do."
  }
}
