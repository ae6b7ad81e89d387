//! The runner of the Rust client; README.md of the suite has the protocol.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io::{stdin, stdout, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{Engine, BASE64_STANDARD};
use llmgateway::v1::stream_send_response::Event;
use llmgateway::v1::{SendRequest, SendResponse, StreamOptions, StreamSendRequest};
use llmgateway::{Client, Error, Reply};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

#[derive(Deserialize)]
struct Given {
    id: String,
    address: String,
    mode: String,
    request: String,
    options: String,
    api_key: String,
    deadline_ms: u64,
    cancel_after: u64,
    idle_ms: u64,
    metadata: HashMap<String, String>,
    trace: HashMap<String, String>,
}

#[derive(Default, Serialize)]
struct Outcome {
    id: String,
    ok: bool,
    response: Option<String>,
    text: String,
    events: Vec<&'static str>,
    error: Option<Unpacked>,
    truncated: bool,
    cancelled: bool,
    cancelled_at: Option<f64>,
}

#[derive(Serialize)]
struct Unpacked {
    code: String,
    reason: String,
    message: String,
    told: String,
    metadata: HashMap<String, String>,
    retry_delay_ms: Option<u128>,
    retryable: bool,
    attempts: Vec<String>,
    violations: Vec<Violation>,
}

#[derive(Serialize)]
struct Violation {
    field: String,
    description: String,
    reason: String,
}

impl Outcome {
    fn answered(&mut self, response: SendResponse) {
        self.response = Some(encoded(&response));
        self.text = Reply { response }.text();
    }

    fn failed(&mut self, error: &Error) {
        self.truncated = matches!(error, Error::StreamTruncated);
        self.error = Some(unpacked(error));
    }

    fn cancelling(&mut self) {
        self.cancelled_at = Some(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64());
        self.cancelled = true;
    }
}

fn encoded(message: &impl Message) -> String {
    BASE64_STANDARD.encode(message.encode_to_vec())
}

fn decoded<M: Message + Default>(text: &str) -> Result<M, Box<dyn StdError>> {
    Ok(M::decode(BASE64_STANDARD.decode(text)?.as_slice())?)
}

fn unpacked(error: &Error) -> Unpacked {
    let violations = error.violations().iter().map(|found| Violation {
        field: found.field.clone(),
        description: found.description.clone(),
        reason: found.reason.clone(),
    });
    Unpacked {
        code: upper_snake(&format!("{:?}", error.code())),
        reason: error.reason().to_owned(),
        message: error.message().to_owned(),
        told: error.to_string(),
        metadata: error.failure().map(|failure| failure.metadata.clone()).unwrap_or_default(),
        retry_delay_ms: error.retry_delay().map(|delay| delay.as_millis()),
        retryable: error.retryable(),
        attempts: error.attempts().iter().map(encoded).collect(),
        violations: violations.collect(),
    }
}

/// `ResourceExhausted`, as tonic names a code, to `RESOURCE_EXHAUSTED`.
fn upper_snake(camel: &str) -> String {
    let mut name = String::new();
    for (index, letter) in camel.char_indices() {
        if index > 0 && letter.is_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn name(event: Option<&Event>) -> &'static str {
    match event {
        Some(Event::Started(_)) => "started",
        Some(Event::PartStarted(_)) => "part_started",
        Some(Event::PartDelta(_)) => "part_delta",
        Some(Event::PartCompleted(_)) => "part_completed",
        Some(Event::CandidateCompleted(_)) => "candidate_completed",
        Some(Event::Usage(_)) => "usage",
        Some(Event::Completed(_)) => "completed",
        Some(Event::Heartbeat(_)) => "heartbeat",
        Some(Event::Warning(_)) => "warning",
        None => "unknown",
    }
}

async fn send(client: &Client, given: &Given, request: SendRequest, outcome: &mut Outcome) {
    let mut call = Box::pin(client.send(request));
    let result = if given.cancel_after == 0 {
        call.await
    } else {
        match timeout(Duration::from_millis(given.cancel_after), &mut call).await {
            Ok(result) => result,
            Err(_) => {
                outcome.cancelling();
                return drop(call);
            }
        }
    };
    match result {
        Ok(response) => {
            outcome.ok = true;
            outcome.answered(response);
        }
        Err(error) => outcome.failed(&error),
    }
}

async fn stream(client: &Client, given: &Given, request: StreamSendRequest, outcome: &mut Outcome) {
    let mut stream = match client.stream(request).await {
        Ok(stream) => stream,
        Err(error) => {
            outcome.answered(SendResponse::default());
            return outcome.failed(&error);
        }
    };
    let mut read = 0;
    loop {
        match stream.next_event().await {
            Ok(Some(event)) => {
                read += 1;
                let name = name(event.event.as_ref());
                if name != "heartbeat" && outcome.events.last() != Some(&name) {
                    outcome.events.push(name);
                }
                if read == given.cancel_after {
                    let reply = stream.reply();
                    outcome.cancelling();
                    drop(stream);
                    return outcome.answered(reply.response);
                }
            }
            Ok(None) => break outcome.ok = true,
            Err(error) => break outcome.failed(&error),
        }
    }
    outcome.answered(stream.reply().response);
}

async fn play(given: Given) -> Result<Outcome, Box<dyn StdError>> {
    let mut builder = Client::builder(&given.address).api_key(&given.api_key);
    if !given.trace.is_empty() {
        let trace = given.trace.clone();
        builder = builder.propagate(move || trace.clone());
    }
    let mut client = builder.build()?;
    if given.deadline_ms > 0 {
        client = client.with_timeout(Duration::from_millis(given.deadline_ms));
    }
    for (key, value) in &given.metadata {
        client = client.with_metadata(key, value)?;
    }
    let mut outcome = Outcome { id: given.id.clone(), ..Outcome::default() };
    let request: SendRequest = decoded(&given.request)?;
    if given.idle_ms > 0 {
        client.send(request.clone()).await?;
        sleep(Duration::from_millis(given.idle_ms)).await;
    }
    if given.mode == "send" {
        send(&client, &given, request, &mut outcome).await;
    } else {
        let mut streamed = StreamSendRequest::from(request);
        if !given.options.is_empty() {
            streamed.options = Some(decoded::<StreamOptions>(&given.options)?);
        }
        stream(&client, &given, streamed, &mut outcome).await;
    }
    Ok(outcome)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    for line in stdin().lines() {
        let outcome = play(serde_json::from_str(&line?)?).await?;
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, &outcome)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
