//! What needs no gateway; the conversations of tests/conformance cover the rest.

use std::time::Duration;

use llmgateway::admin::v1::provider_service_client::ProviderServiceClient;
use llmgateway::admin::v1::ListProvidersRequest;
use llmgateway::tonic::{Code, Status};
use llmgateway::v1::part::Kind;
use llmgateway::v1::part_delta::Delta;
use llmgateway::v1::stream_send_response::Event;
use llmgateway::v1::{
    CandidateCompleted, HealthRequest, PartCompleted, PartDelta, PartStarted, ReasoningPart, SendRequest,
    StreamCompleted, StreamSendResponse,
};
use llmgateway::{Accumulator, Client, Error, Reply};
use prost::Message;
use prost_types::Any;
use tokio::net::TcpListener;
use tonic_types::pb::{ErrorInfo, RetryInfo};

fn folded(events: impl IntoIterator<Item = Event>) -> Accumulator {
    let mut accumulator = Accumulator::new();
    for event in events {
        accumulator.add(&StreamSendResponse { sequence: 0, event: Some(event) });
    }
    accumulator
}

fn started(part_index: i32, kind: Kind) -> Event {
    let part = llmgateway::v1::Part { kind: Some(kind), ..Default::default() };
    Event::PartStarted(PartStarted { candidate_index: 0, part_index, part: Some(part) })
}

fn grown(part_index: i32, text: &str) -> Event {
    Event::PartDelta(PartDelta { part_index, delta: Some(Delta::Text(text.into())), ..Default::default() })
}

/// Deltas grow the part they name, of whatever kind it is; those of parts that never started are lost.
#[test]
fn deltas_go_to_their_parts() {
    let accumulator = folded([
        started(0, Kind::Reasoning(ReasoningPart::default())),
        started(1, Kind::Text(Default::default())),
        grown(1, "one "),
        grown(0, "thought"),
        grown(7, "lost"),
        grown(-1, "lost"),
        grown(1, "two"),
    ]);
    let reply = Reply { response: accumulator.response() };
    assert_eq!(reply.text(), "one two");
    let Some(Kind::Reasoning(reasoning)) = &reply.message().parts[0].kind else { panic!("{reply:?}") };
    assert_eq!(reasoning.text, "thought");
    assert!(!accumulator.finished());
}

/// A part that starts out of its turn is left out.
#[test]
fn parts_start_in_turn() {
    let reply = Reply { response: folded([started(3, Kind::Text(Default::default()))]).into_response() };
    assert_eq!(reply.message().parts, []);
}

/// The number of an enum value that this client does not know is kept, and candidates come in order of their index.
#[test]
fn unknown_enum_values_are_kept() {
    let accumulator = folded([
        Event::CandidateCompleted(CandidateCompleted { candidate_index: 1, finish_reason: 99, ..Default::default() }),
        Event::CandidateCompleted(CandidateCompleted { candidate_index: 0, finish_reason: 1, ..Default::default() }),
        Event::Completed(StreamCompleted { service_tier: 77, ..Default::default() }),
    ]);
    let response = accumulator.response();
    assert!(accumulator.finished());
    assert_eq!(response.candidates.iter().map(|candidate| candidate.finish_reason).collect::<Vec<_>>(), [1, 99]);
    assert_eq!(response.service_tier, 77);
}

/// Encrypted reasoning that comes with the end of a part goes into the part.
#[test]
fn parts_end_with_their_signature() {
    let end = PartCompleted { signature: b"s".to_vec(), encrypted: b"e".to_vec(), ..Default::default() };
    let response = folded([started(0, Kind::Reasoning(Default::default())), Event::PartCompleted(end)]).response();
    let part = Reply { response }.message().parts.remove(0);
    let encrypted = ReasoningPart { encrypted: b"e".to_vec(), ..Default::default() };
    assert_eq!((part.signature, part.kind), (b"s".to_vec(), Some(Kind::Reasoning(encrypted))));
}

fn failed(code: Code, reason: &str, retry: Option<RetryInfo>) -> Error {
    let info = ErrorInfo { reason: reason.into(), ..Default::default() };
    let mut details =
        vec![Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: info.encode_to_vec() }];
    if let Some(retry) = retry {
        details.push(Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value: retry.encode_to_vec() });
    }
    let packed = tonic_types::Status { code: code as i32, message: "no".into(), details };
    Status::with_details(code, "no", packed.encode_to_vec().into()).into()
}

/// Advice to retry follows code, reason and the presence of a delay.
#[test]
fn errors_say_whether_to_retry() {
    let delay = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }) };
    let named = failed(Code::ResourceExhausted, "", Some(delay));
    assert_eq!((named.retryable(), named.retry_delay()), (true, Some(Duration::from_millis(1500))));
    assert!(failed(Code::ResourceExhausted, "GATEWAY_RATE_LIMITED", None).retryable());
    assert!(!failed(Code::ResourceExhausted, "PROVIDER_QUOTA_EXHAUSTED", Some(delay)).retryable());
    assert!(!failed(Code::ResourceExhausted, "", None).retryable());
    assert!(failed(Code::Unavailable, "", None).retryable());
    assert!(!failed(Code::Unavailable, "STREAM_INTERRUPTED", None).retryable());
    assert!(!Error::StreamTruncated.retryable());
}

/// Details that are no message leave the status alone.
#[test]
fn unreadable_details_are_left_out() {
    let error = Error::from(Status::with_details(Code::NotFound, "no", vec![0xff, 0xff].into()));
    assert_eq!((error.code(), error.message(), error.reason()), (Code::NotFound, "no", ""));
}

/// A key goes in plaintext to this machine only, unless the program insists.
#[tokio::test]
async fn keys_stay_on_this_machine() {
    for address in ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/gateway.sock"] {
        Client::builder(address).api_key("k").build().expect(address);
    }
    for address in ["gateway.example:1", "localhost.example:1", "localhost:1@gateway.example", "[::2]:1"] {
        let refused = Client::builder(address).api_key("k").build().expect_err(address).to_string();
        assert!(refused.contains("plaintext"), "{refused}");
        Client::builder(address).api_key("k").insecure().build().expect(address);
        Client::builder(address).build().expect(address);
    }
    let refused = Client::builder("127.0.0.1:1").api_key("k\n").build().expect_err("line break").to_string();
    assert!(refused.contains("HTTP headers"), "{refused}");
}

/// A connection that breaks is UNAVAILABLE, and the call is tried three times in all, from any task.
#[tokio::test]
async fn broken_connections_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Client::builder(listener.local_addr().unwrap().to_string()).build().unwrap();
    let mut calling = tokio::spawn(async move { gateway.send(SendRequest::default()).await });
    let mut tries = 0;
    let error = loop {
        tokio::select! {
            accepted = listener.accept() => {
                accepted.unwrap();
                tries += 1;
            }
            result = &mut calling => break result.unwrap().expect_err("nobody answers"),
        }
    };
    assert_eq!((error.code(), tries), (Code::Unavailable, 3));
}

/// The deadline is kept where the gateway does not answer.
/// The deadline of the client holds for other stubs too; tonic has a code of its own for it.
#[tokio::test]
async fn the_administration_goes_over_the_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = Client::builder(address).api_key("k1").timeout(Duration::from_millis(50)).build().unwrap();
    let mut providers = ProviderServiceClient::new(client.channel());
    let failed = providers.list_providers(ListProvidersRequest::default()).await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::Cancelled, "Timeout expired"));
}

#[tokio::test]
async fn deadlines_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Client::builder(listener.local_addr().unwrap().to_string()).build().unwrap();
    let error = gateway.with_timeout(Duration::from_millis(50)).health(HealthRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
}
