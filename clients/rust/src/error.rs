use std::collections::HashMap;
use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;
use std::{error, fmt};

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::pb::bad_request::FieldViolation;
use tonic_types::pb::{BadRequest, ErrorInfo, RequestInfo, RetryInfo};

use crate::v1::{Attempt, ProviderFailure};

/// A call that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The gateway, or the way to it, failed the call.
    Failed(Box<Failure>),
    /// A stream ended with status OK but without its `completed` event, so its answer is not whole.
    StreamTruncated,
}

/// The status of a failed call, and what its google.rpc details say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The gRPC status code.
    pub code: Code,
    /// The status message; `Display` of the error adds code, reason and what the details say beyond it.
    pub message: String,
    /// `ErrorInfo.reason`, such as `PROVIDER_RATE_LIMITED`; empty where the failure did not come from the gateway.
    pub reason: String,
    /// `ErrorInfo.metadata`, such as provider and model.
    pub metadata: HashMap<String, String>,
    /// How long to wait before a new call, where the server named a delay.
    pub retry_delay: Option<Duration>,
    /// What is wrong with which field of the request.
    pub violations: Vec<FieldViolation>,
    /// What the last provider answered.
    pub provider_failure: Option<ProviderFailure>,
    /// The gateway's id of the call; empty when it gave none.
    pub request_id: String,
}

impl Error {
    /// The gRPC status code; `DATA_LOSS` for a truncated stream.
    pub fn code(&self) -> Code {
        self.failure().map_or(Code::DataLoss, |failure| failure.code)
    }

    /// The status message, for people.
    pub fn message(&self) -> &str {
        self.failure().map_or("the stream ended before the answer was whole", |failure| &failure.message)
    }

    /// `ErrorInfo.reason`, in UPPER_SNAKE_CASE; empty where the failure did not come from the gateway.
    pub fn reason(&self) -> &str {
        self.failure().map_or("STREAM_TRUNCATED", |failure| &failure.reason)
    }

    /// How long to wait before a new call, where the server named a delay.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.failure()?.retry_delay
    }

    /// The provider calls that were made and the targets that were skipped, in order.
    pub fn attempts(&self) -> &[Attempt] {
        self.failure().and_then(|failure| failure.provider_failure.as_ref()).map_or(&[], |failure| &failure.attempts)
    }

    /// What is wrong with which field of the request.
    pub fn violations(&self) -> &[FieldViolation] {
        self.failure().map_or(&[], |failure| &failure.violations)
    }

    /// Whether the same call, made again after [`retry_delay`](Self::retry_delay), may succeed.
    pub fn retryable(&self) -> bool {
        match (self.code(), self.reason()) {
            // A new call would be billed beside the part of an answer that the caller holds, or would meet the same empty account.
            (_, "STREAM_INTERRUPTED" | "PROVIDER_QUOTA_EXHAUSTED") => false,
            (Code::ResourceExhausted, "PROVIDER_RATE_LIMITED" | "GATEWAY_RATE_LIMITED") => true,
            (Code::ResourceExhausted, _) => self.retry_delay().is_some(),
            (code, _) => code == Code::Unavailable,
        }
    }

    /// The status and its details; none for a truncated stream, which had status OK.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::StreamTruncated => None,
        }
    }
}

/// Code, reason, message, and what the details say beyond it: fields at fault, who answered what, what was tried, when to try again.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", code_name(self.code()))?;
        if !self.reason().is_empty() {
            write!(formatter, " ({})", self.reason())?;
        }
        let clauses = self.failure().map(Failure::clauses).unwrap_or_default();
        if clauses.is_empty() {
            return write!(formatter, ": {}", self.message());
        }
        write!(formatter, ": {}; {}", without_stop(self.message()), clauses.join("; "))
    }
}

impl Failure {
    /// What the details say and the message does not.
    fn clauses(&self) -> Vec<String> {
        let mut clauses: Vec<_> = self
            .violations
            .iter()
            .map(|violation| (&violation.field, without_stop(&violation.description)))
            .filter(|(_, wrong)| !self.message.contains(wrong))
            .map(|(field, wrong)| format!("{field}: {wrong}"))
            .collect();
        if let Some(failure) = &self.provider_failure {
            clauses.extend(self.answer(failure));
            clauses.extend(self.tried(&failure.attempts));
        }
        if let Some(delay) = self.retry_delay.filter(|delay| !delay.is_zero()) {
            clauses.push(format!("try again in {} s", (delay.as_secs_f64() * 10.0).ceil() / 10.0));
        }
        if self.code == Code::Internal && !self.request_id.is_empty() {
            clauses.push(format!("request id {}", self.request_id));
        }
        clauses
    }

    fn answer(&self, failure: &ProviderFailure) -> Option<String> {
        let who = Some(target(&failure.provider, &failure.model)).filter(|who| !self.message.contains(who));
        let status = Some(failure.provider_status).filter(|&status| status != 0).map(|status| format!("HTTP {status}"));
        let words = &failure.provider_message;
        let answer: Vec<_> = status
            .filter(|status| !self.message.contains(status))
            .into_iter()
            .chain((!self.message.contains(words)).then(|| format!("\"{words}\"")))
            .collect();
        if answer.is_empty() {
            return who.map(|who| format!("at {who}"));
        }
        Some(format!("{} answered {}", who.as_deref().unwrap_or("the provider"), answer.join(" ")))
    }

    fn tried(&self, attempts: &[Attempt]) -> Option<String> {
        let mut tried: Vec<String> = Vec::new();
        let mut said = true;
        for attempt in attempts {
            let why = match attempt.skip_reason.as_str() {
                "" => attempt.reason.clone(),
                skipped => format!("skipped: {skipped}"),
            };
            if why.is_empty() {
                continue;
            }
            let target = target(&attempt.provider, &attempt.model);
            said &= self.message.contains(&target);
            let told = format!("{target} ({why})");
            if !tried.contains(&told) {
                tried.push(told);
            }
        }
        (tried.len() > 1 && !said).then(|| format!("tried {}", tried.join(", ")))
    }
}

fn target(provider: &str, model: &str) -> String {
    if model.is_empty() {
        provider.to_owned()
    } else {
        format!("{provider}/{model}")
    }
}

fn without_stop(sentence: &str) -> &str {
    sentence.strip_suffix('.').unwrap_or(sentence)
}

/// `ResourceExhausted`, as tonic names a code, to `RESOURCE_EXHAUSTED`, as google/rpc/code.proto does.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl error::Error for Error {}

/// Details of unknown types, and such that cannot be read, are left out.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = tonic_types::Status::decode(status.details()).unwrap_or_default().details;
        let info: ErrorInfo = unpacked(&details, "google.rpc.ErrorInfo").unwrap_or_default();
        let retry: Option<RetryInfo> = unpacked(&details, "google.rpc.RetryInfo");
        let bad_request: BadRequest = unpacked(&details, "google.rpc.BadRequest").unwrap_or_default();
        let request_info: RequestInfo = unpacked(&details, "google.rpc.RequestInfo").unwrap_or_default();
        Self::Failed(Box::new(Failure {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.reason,
            metadata: info.metadata,
            // A delay that is absent or negative is none at all: try at once.
            retry_delay: retry.map(|retry| retry.retry_delay.unwrap_or_default().try_into().unwrap_or_default()),
            violations: bad_request.field_violations,
            provider_failure: unpacked(&details, "llmgateway.v1.ProviderFailure"),
            request_id: if request_info.request_id.is_empty() {
                header(&status, "x-request-id").unwrap_or_default().to_owned()
            } else {
                request_info.request_id
            },
        }))
    }
}

fn unpacked<M: Message + Default>(details: &[Any], name: &str) -> Option<M> {
    let packed = details.iter().find(|packed| packed.type_url.rsplit('/').next() == Some(name))?;
    M::decode(packed.value.as_slice()).ok()
}

/// A trailer in ASCII.
pub(crate) fn header<'a>(status: &'a Status, key: &str) -> Option<&'a str> {
    status.metadata().get(key)?.to_str().ok()
}

/// The deadline that this client kept.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call was reached")
}

/// The status with the code that gRPC has for it: tonic calls a broken connection UNKNOWN or CANCELLED, and a deadline CANCELLED.
pub(crate) fn settled(status: Status) -> Status {
    // The server's own statuses have no source.
    let causes: Vec<_> = successors(status.source(), |&cause| cause.source()).collect();
    if causes.iter().any(|cause| cause.is::<TimeoutExpired>()) {
        return deadline_exceeded();
    }
    match (status.code(), causes.last()) {
        (Code::Unknown | Code::Cancelled, Some(cause)) => Status::unavailable(cause.to_string()),
        _ => status,
    }
}
