//! What is asked, of whom, and about which order.

use std::sync::Arc;

/// A service of AWS that code of ours calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `DynamoDB`.
    DynamoDb,
    /// Lambda.
    Lambda,
    /// Secrets Manager.
    Secrets,
    /// SES, version 2.
    Ses,
    /// SNS.
    Sns,
    /// Step Functions.
    StepFunctions,
}

/// A request as it is on the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose configuration it was sent with.
    pub caller: Arc<str>,
    /// Who is asked.
    pub service: Service,
    /// What, by its name in the service's API.
    pub operation: String,
    /// Where in the service: the path of the URL, decoded no further.
    pub path: String,
    /// JSON, or the form of SNS.
    pub body: Vec<u8>,
}

impl Request {
    /// `None` if it goes to a service that code of ours does not call.
    pub(crate) fn read(
        caller: Arc<str>,
        target: Option<&str>,
        path: &str,
        body: &[u8],
    ) -> Option<Self> {
        let (service, operation) = match target.map(|target| target.split_once('.')) {
            Some(Some(("DynamoDB_20120810", name))) => (Service::DynamoDb, name.to_owned()),
            Some(Some(("AWSStepFunctions", name))) => (Service::StepFunctions, name.to_owned()),
            Some(Some(("secretsmanager", name))) => (Service::Secrets, name.to_owned()),
            Some(_) => return None,
            None if path.starts_with("/2015-03-31/functions/") => {
                (Service::Lambda, "Invoke".to_owned())
            }
            None if path.starts_with("/v2/email/outbound-emails") => {
                (Service::Ses, "SendEmail".to_owned())
            }
            None if field(body, "Version").as_deref() == Some("2010-03-31") => {
                (Service::Sns, field(body, "Action")?)
            }
            None => return None,
        };
        Some(Self {
            caller,
            service,
            operation,
            path: path.to_owned(),
            body: body.to_vec(),
        })
    }

    /// The order that it is about, if it says so: by a key or a value of the tables, by the name of an
    /// execution, or by the tag of a mail. Of several orders the first that is written down.
    #[must_use]
    pub fn order(&self) -> Option<&str> {
        let body = std::str::from_utf8(&self.body).ok()?;
        let between = |before: &str| {
            let (_, rest) = body.split_once(before)?;
            rest.split(['"', '\\']).next()
        };
        // `NAME-ATTEMPT`, alone or at the end of an ARN.
        let of_execution = |name: &'static str| {
            let name = between(name)?.rsplit(':').next()?;
            name.rsplit_once('-').map(|(order, _)| order)
        };
        match self.service {
            Service::DynamoDb => between(r#""order_id":{"S":""#)
                .or_else(|| between(r#"":order_id":{"S":""#))
                .or_else(|| between(r#"{"S":"order#"#)),
            Service::StepFunctions => {
                of_execution(r#""name":""#).or_else(|| of_execution(r#""executionArn":""#))
            }
            Service::Lambda => between(r#""order_id":""#),
            Service::Ses => between(r#"{"Name":"order_id","Value":""#),
            Service::Secrets | Service::Sns => None,
        }
    }

    /// The function that is invoked, if this is an invocation.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        let path = self.path.strip_prefix("/2015-03-31/functions/")?;
        path.strip_suffix("/invocations")
    }

    /// A member of a form, such as the `Message` of a `Publish`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }
}

fn field(form: &[u8], wanted: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(form);
    let (_, value) = fields.find(|(name, _)| name == wanted)?;
    Some(value.into_owned())
}
