//! From the SDK's errors to the two that a step can act upon.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use domain::ports::StoreError;

/// Codes after which the same request may succeed later.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
const TRANSIENT: [&str; 9] = [
    "InternalServerError",
    "ItemCollectionSizeLimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
];

/// What became of a request. Never quotes the request or an item: they hold personal data.
pub fn classify<E>(operation: &str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("an error without a code");
            let text = format!("{operation} answered {code}");
            if TRANSIENT.contains(&code) || context.raw().status().is_server_error() {
                StoreError::Unavailable(text)
            } else {
                StoreError::Defect(text)
            }
        }
        SdkError::TimeoutError(_) => StoreError::Unavailable(format!("{operation} timed out")),
        SdkError::DispatchFailure(_) => {
            StoreError::Unavailable(format!("{operation} could not be sent"))
        }
        SdkError::ResponseError(_) => {
            StoreError::Unavailable(format!("{operation}'s answer broke off"))
        }
        // A request that could not be built; `SdkError` is non-exhaustive.
        _ => StoreError::Defect(format!("{operation} could not be built")),
    }
}

/// What is stored cannot be read.
#[must_use]
pub fn unreadable(what: &str) -> StoreError {
    StoreError::Defect(format!("{what} cannot be read"))
}
