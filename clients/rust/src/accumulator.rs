use std::collections::BTreeMap;

use crate::v1::part::Kind;
use crate::v1::part_delta::Delta;
use crate::v1::stream_send_response::Event;
use crate::v1::{
    media_part, Candidate, CandidateCompleted, Message, Part, PartCompleted, PartDelta, Role, SendResponse,
    StreamCompleted, StreamSendResponse,
};

/// The value of a oneof's variant, which becomes the set one, empty, if it was not.
macro_rules! variant {
    ($oneof:expr, $variant:path) => {{
        let oneof = &mut $oneof;
        if !matches!(oneof, Some($variant(_))) {
            *oneof = Some($variant(Default::default()));
        }
        match oneof {
            Some($variant(value)) => value,
            _ => unreachable!("it was set above"),
        }
    }};
}

/// Folds the events of a stream, in order, into the response that `Send` would have returned.
///
/// Events of unknown kind, and deltas for parts that never started, are ignored: a newer gateway may send more than this client knows.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    response: SendResponse,
    candidates: BTreeMap<i32, Candidate>,
    finished: bool,
}

impl Accumulator {
    /// One that has seen no event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the `completed` event was seen. A stream that ends without it was cut.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// The answer so far; whole when [`finished`](Self::finished).
    pub fn response(&self) -> SendResponse {
        SendResponse { candidates: self.candidates.values().cloned().collect(), ..self.response.clone() }
    }

    /// The answer so far, without a copy.
    pub fn into_response(self) -> SendResponse {
        SendResponse { candidates: self.candidates.into_values().collect(), ..self.response }
    }

    /// Fold one event.
    pub fn add(&mut self, event: &StreamSendResponse) {
        match &event.event {
            Some(Event::Started(started)) => {
                self.response.response_id.clone_from(&started.response_id);
                self.response.route = Some(started.route.clone().unwrap_or_default());
                if started.create_time.is_some() {
                    self.response.create_time = started.create_time;
                }
            }
            Some(Event::PartStarted(started)) => {
                let parts = &mut self.message(started.candidate_index).parts;
                if usize::try_from(started.part_index) == Ok(parts.len()) {
                    parts.push(started.part.clone().unwrap_or_default());
                }
            }
            Some(Event::PartDelta(delta)) => self.delta(delta),
            Some(Event::PartCompleted(completed)) => self.part_completed(completed),
            Some(Event::CandidateCompleted(completed)) => self.candidate_completed(completed),
            Some(Event::Usage(usage)) => self.response.usage = Some(usage.clone()),
            Some(Event::Completed(completed)) => self.completed(completed),
            Some(Event::Warning(warning)) => self.response.warnings.push(warning.clone()),
            Some(Event::Heartbeat(_)) | None => {}
        }
    }

    fn candidate(&mut self, index: i32) -> &mut Candidate {
        self.candidates.entry(index).or_insert_with(|| Candidate {
            index,
            message: Some(Message { role: Role::Assistant.into(), ..Message::default() }),
            ..Candidate::default()
        })
    }

    fn message(&mut self, candidate: i32) -> &mut Message {
        self.candidate(candidate).message.get_or_insert_default()
    }

    fn part(&mut self, candidate: i32, part: i32) -> Option<&mut Part> {
        self.message(candidate).parts.get_mut(usize::try_from(part).ok()?)
    }

    fn delta(&mut self, grown: &PartDelta) {
        let Some(part) = self.part(grown.candidate_index, grown.part_index) else { return };
        match &grown.delta {
            Some(Delta::Text(text)) => match &mut part.kind {
                Some(Kind::Reasoning(reasoning)) => reasoning.text.push_str(text),
                Some(Kind::Refusal(refusal)) => refusal.text.push_str(text),
                _ => variant!(part.kind, Kind::Text).text.push_str(text),
            },
            Some(Delta::ArgumentsJson(json)) => variant!(part.kind, Kind::ToolCall).arguments_json.push_str(json),
            Some(Delta::Data(data)) => {
                variant!(variant!(part.kind, Kind::Media).source, media_part::Source::Data).extend_from_slice(data);
            }
            Some(Delta::Transcript(text)) => variant!(part.kind, Kind::Media).transcript.push_str(text),
            Some(Delta::Citation(citation)) => variant!(part.kind, Kind::Text).citations.push(citation.clone()),
            None => {}
        }
        let refused = matches!(part.kind, Some(Kind::Refusal(_)));
        let candidate = self.candidate(grown.candidate_index);
        let logprobs = if refused { &mut candidate.refusal_logprobs } else { &mut candidate.logprobs };
        logprobs.extend_from_slice(&grown.logprobs);
    }

    fn part_completed(&mut self, completed: &PartCompleted) {
        let Some(part) = self.part(completed.candidate_index, completed.part_index) else { return };
        if !completed.signature.is_empty() {
            part.signature.clone_from(&completed.signature);
        }
        if !completed.signature_provider.is_empty() {
            part.signature_provider.clone_from(&completed.signature_provider);
        }
        if !completed.encrypted.is_empty() {
            variant!(part.kind, Kind::Reasoning).encrypted.clone_from(&completed.encrypted);
        }
    }

    fn candidate_completed(&mut self, completed: &CandidateCompleted) {
        let candidate = self.candidate(completed.candidate_index);
        candidate.finish_reason = completed.finish_reason;
        candidate.provider_finish_reason.clone_from(&completed.provider_finish_reason);
        candidate.finish_message.clone_from(&completed.finish_message);
        candidate.stop_sequence.clone_from(&completed.stop_sequence);
        candidate.safety_ratings.extend_from_slice(&completed.safety_ratings);
        candidate.logprobs.extend_from_slice(&completed.logprobs);
        candidate.provider_metadata_json.clone_from(&completed.provider_metadata_json);
    }

    fn completed(&mut self, completed: &StreamCompleted) {
        self.finished = true;
        if completed.usage.is_some() {
            self.response.usage.clone_from(&completed.usage);
        }
        if completed.route.is_some() {
            self.response.route.clone_from(&completed.route);
        }
        self.response.service_tier = completed.service_tier;
        self.response.system_fingerprint.clone_from(&completed.system_fingerprint);
        self.response.provider_metadata_json.clone_from(&completed.provider_metadata_json);
    }
}
