use std::fmt;

use crate::v1::part::Kind;
use crate::v1::{self, Message, Part, Role, SendRequest, SendResponse, StreamSendRequest, TextPart, ToolCall};

/// One answer with every candidate, part, warning and attempt, and a view of its first candidate. It displays as its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The gateway's response.
    pub response: SendResponse,
}

impl Reply {
    /// The model's turn; put it into the next conversation as it is, signatures included.
    pub fn message(&self) -> Message {
        let first = self.response.candidates.first().and_then(|candidate| candidate.message.clone());
        first.unwrap_or_else(|| Message { role: Role::Assistant.into(), ..Message::default() })
    }

    /// The text of the first candidate; empty when it is a refusal or only calls tools.
    pub fn text(&self) -> String {
        self.kinds()
            .filter_map(|kind| if let Kind::Text(part) = kind { Some(part.text.as_str()) } else { None })
            .collect()
    }

    /// What the model said when it declined to answer; else empty.
    pub fn refusal(&self) -> String {
        self.kinds()
            .filter_map(|kind| if let Kind::Refusal(part) = kind { Some(part.text.as_str()) } else { None })
            .collect()
    }

    /// The tools that the model wants the caller to run.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.kinds().filter_map(|kind| match kind {
            Kind::ToolCall(call) if !call.provider_executed => Some(call),
            _ => None,
        })
    }

    fn kinds(&self) -> impl Iterator<Item = &Kind> {
        let message = self.response.candidates.first().and_then(|candidate| candidate.message.as_ref());
        message.into_iter().flat_map(|message| &message.parts).filter_map(|part| part.kind.as_ref())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

/// The models that the caller may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    /// Models of all pages, in order of their names.
    pub models: Vec<v1::Model>,
    /// Ids of the providers that did not answer, whose models may be missing.
    pub unreachable: Vec<String>,
}

impl Message {
    /// A turn of the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::turn(Role::User, text.into())
    }

    /// An instruction of the operator.
    pub fn system(text: impl Into<String>) -> Self {
        Self::turn(Role::System, text.into())
    }

    fn turn(role: Role, text: String) -> Self {
        let text = TextPart { text, ..TextPart::default() };
        let part = Part { kind: Some(Kind::Text(text)), ..Part::default() };
        Self { role: role.into(), parts: vec![part], ..Self::default() }
    }
}

/// Words of the user.
impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

/// Words of the user.
impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

/// An inference, streamed with the default options.
impl From<SendRequest> for StreamSendRequest {
    fn from(request: SendRequest) -> Self {
        Self { request: Some(request), options: None }
    }
}
