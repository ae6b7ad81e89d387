//! The administration: its messages and stubs, which go over [`Client::channel`](crate::Client::channel) of a client with one of its keys.

/// Where the administration of a gateway listens by default.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:50052";

/// The messages of the contract, `llmgateway.admin.v1`, and its generated stubs.
#[allow(missing_docs, unreachable_pub, rustdoc::all, clippy::all)]
#[rustfmt::skip]
#[path = "generated/llmgateway.admin.v1.rs"]
pub mod v1;
