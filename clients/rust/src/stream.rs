use std::collections::HashSet;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use futures_core::{FusedStream, Stream};
use tokio::time::{sleep_until, Instant, Sleep};
use tonic::Streaming;

use crate::accumulator::Accumulator;
use crate::error::{deadline_exceeded, settled, Error};
use crate::reply::Reply;
use crate::v1::part::Kind;
use crate::v1::part_delta::Delta;
use crate::v1::stream_send_response::Event;
use crate::v1::StreamSendResponse;

/// One streaming answer. Dropping it cancels the call, and with it the provider's work.
///
/// As a [`Stream`] it yields every event as it comes, those of kinds that this client does not know included. After an error, which is
/// [`Error::StreamTruncated`] where the stream ended before the answer was whole, comes nothing more.
#[derive(Debug)]
pub struct ChatStream {
    events: Option<Streaming<StreamSendResponse>>,
    deadline: Option<Pin<Box<Sleep>>>,
    accumulator: Accumulator,
    text_parts: HashSet<i32>,
}

impl ChatStream {
    pub(crate) fn new(events: Streaming<StreamSendResponse>, deadline: Option<Instant>) -> Self {
        Self {
            events: Some(events),
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            accumulator: Accumulator::new(),
            text_parts: HashSet::new(),
        }
    }

    /// The next event; none at the end of a whole answer.
    pub async fn next_event(&mut self) -> Result<Option<StreamSendResponse>, Error> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await.transpose()
    }

    /// The next piece of the first candidate's text; none at the end of a whole answer.
    pub async fn next_text(&mut self) -> Result<Option<String>, Error> {
        while let Some(event) = self.next_event().await? {
            match self.text(event) {
                Some(text) if !text.is_empty() => return Ok(Some(text)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The answer so far: whole after the end, and what is left of a stream that broke.
    pub fn reply(&self) -> Reply {
        Reply { response: self.accumulator.response() }
    }

    fn fold(&mut self, event: &StreamSendResponse) {
        self.accumulator.add(event);
        if let Some(Event::PartStarted(started)) = &event.event {
            let kind = started.part.as_ref().and_then(|part| part.kind.as_ref());
            if started.candidate_index == 0 && matches!(kind, Some(Kind::Text(_))) {
                self.text_parts.insert(started.part_index);
            }
        }
    }

    /// What an event that was folded adds to the text of the first candidate.
    fn text(&self, event: StreamSendResponse) -> Option<String> {
        match event.event? {
            Event::PartStarted(started) if started.candidate_index == 0 => match started.part?.kind? {
                Kind::Text(part) => Some(part.text),
                _ => None,
            },
            Event::PartDelta(delta) if delta.candidate_index == 0 && self.text_parts.contains(&delta.part_index) => {
                match delta.delta? {
                    Delta::Text(text) => Some(text),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Stream for ChatStream {
    type Item = Result<StreamSendResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.events else { return Poll::Ready(None) };
        let failure = match Pin::new(events).poll_next(context) {
            Poll::Ready(Some(Ok(event))) => {
                self.fold(&event);
                return Poll::Ready(Some(Ok(event)));
            }
            Poll::Ready(Some(Err(status))) => Some(settled(status).into()),
            Poll::Ready(None) if self.accumulator.finished() => None,
            Poll::Ready(None) => Some(Error::StreamTruncated),
            Poll::Pending => match &mut self.deadline {
                None => return Poll::Pending,
                Some(deadline) => {
                    ready!(deadline.as_mut().poll(context));
                    Some(deadline_exceeded().into())
                }
            },
        };
        self.events = None;
        Poll::Ready(failure.map(Err))
    }
}

impl FusedStream for ChatStream {
    fn is_terminated(&self) -> bool {
        self.events.is_none()
    }
}
