//! Retries, which tonic leaves to its user: gRFC A6, for UNAVAILABLE, and for what a gateway that stops says of a call it never saw (gRPC's
//! server, CANCELLED). Every other code says that the same call would fail again or would be billed twice.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::sleep;
use tonic::{Code, Status};

use crate::error::{header, settled};

const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The first success of `attempts` tries, or the last failure.
pub(crate) async fn retried<T, F>(attempts: u32, mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut backoff = INITIAL_BACKOFF;
    let mut left = attempts;
    loop {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => settled(status),
        };
        left = left.saturating_sub(1);
        if left == 0 || !matches!(status.code(), Code::Unavailable | Code::Cancelled) {
            return Err(status);
        }
        let delay = match status.metadata().get(PUSHBACK) {
            None => jittered(backoff),
            // The server's word: this delay, or no retry when it is negative or no number.
            Some(_) => match header(&status, PUSHBACK).and_then(|delay| delay.parse().ok()) {
                Some(delay) => Duration::from_millis(delay),
                None => return Err(status),
            },
        };
        sleep(delay).await;
        backoff = MAX_BACKOFF.min(backoff * 2);
    }
}

/// The backoff, a fifth more or less. The randomness is that of the standard library's hash tables.
fn jittered(backoff: Duration) -> Duration {
    let share = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    backoff.mul_f64(0.8 + 0.4 * share)
}
