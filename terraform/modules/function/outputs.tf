output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "version" {
  description = "Version just published."
  value       = aws_lambda_function.this.version
}

output "qualified_arn" {
  description = "ARN of the version just published."
  # Put together here: the local stack's list of versions leaves the version off the ARN.
  value = "${aws_lambda_function.this.arn}:${aws_lambda_function.this.version}"
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}
