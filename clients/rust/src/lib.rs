#![doc = include_str!("../README.md")]

mod accumulator;
pub mod admin;
mod client;
mod error;
mod reply;
mod retry;
mod stream;
/// The messages of the contract, `llmgateway.v1`, and its generated stub.
///
/// Enum fields are `i32`: a newer gateway may send a value that this client does not know, and its number is kept.
#[allow(missing_docs, unreachable_pub, rustdoc::all, clippy::all)]
#[rustfmt::skip]
#[path = "generated/llmgateway.v1.rs"]
pub mod v1;

pub use accumulator::Accumulator;
pub use client::{
    Builder, Client, ClientChannel, ConfigurationError, DEFAULT_ADDRESS, DEFAULT_TIMEOUT, MAX_MESSAGE_BYTES,
};
pub use error::{Error, Failure};
pub use reply::{Models, Reply};
pub use stream::ChatStream;
pub use tonic;
pub use tonic_types::pb::bad_request::FieldViolation;
