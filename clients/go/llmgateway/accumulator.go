package llmgateway

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	v1 "github.com/llmgateway/llmgateway/clients/go/llmgateway/v1"
)

// Accumulator folds the events of a stream, in order, into the response that Send would have returned.
// Events of unknown kind, and deltas for parts that never started, are ignored: a newer gateway may send more than this client knows.
type Accumulator struct {
	response   *v1.SendResponse
	candidates map[int32]*v1.Candidate
	grown      map[place]*growth
	finished   bool
}

type place struct{ candidate, part int32 }

// growth gathers the fragments of a part, which are joined once: appending to a string copies all of it each time.
type growth struct {
	text, arguments, transcript fragments
	data                        bytes.Buffer
	hasData                     bool
}

type fragments struct {
	strings.Builder
	any bool
}

func (f *fragments) add(text string) {
	f.any = true
	f.WriteString(text)
}

// NewAccumulator returns one that has seen no event.
func NewAccumulator() *Accumulator {
	return &Accumulator{
		response:   &v1.SendResponse{},
		candidates: map[int32]*v1.Candidate{},
		grown:      map[place]*growth{},
	}
}

// Finished says whether the completed event was seen. A stream that ends without it was cut.
func (a *Accumulator) Finished() bool { return a.finished }

// Response is the answer so far; whole when Finished. Later events may change it.
func (a *Accumulator) Response() *v1.SendResponse {
	a.join()
	a.response.Candidates = nil
	for _, index := range slices.Sorted(maps.Keys(a.candidates)) {
		a.response.Candidates = append(a.response.Candidates, a.candidates[index])
	}
	return a.response
}

// Add folds one event.
func (a *Accumulator) Add(event *v1.StreamSendResponse) {
	switch event := event.GetEvent().(type) {
	case *v1.StreamSendResponse_Started:
		a.response.ResponseId = event.Started.GetResponseId()
		a.response.Route = clone(event.Started.GetRoute())
		if event.Started.CreateTime != nil {
			a.response.CreateTime = clone(event.Started.CreateTime)
		}
	case *v1.StreamSendResponse_PartStarted:
		message := a.candidate(event.PartStarted.GetCandidateIndex()).Message
		if int(event.PartStarted.GetPartIndex()) == len(message.Parts) {
			part := &v1.Part{}
			if event.PartStarted.Part != nil {
				part = clone(event.PartStarted.Part)
			}
			message.Parts = append(message.Parts, part)
		}
	case *v1.StreamSendResponse_PartDelta:
		a.delta(event.PartDelta)
	case *v1.StreamSendResponse_PartCompleted:
		a.partCompleted(event.PartCompleted)
	case *v1.StreamSendResponse_CandidateCompleted:
		a.candidateCompleted(event.CandidateCompleted)
	case *v1.StreamSendResponse_Usage:
		a.response.Usage = clone(event.Usage)
	case *v1.StreamSendResponse_Warning:
		a.response.Warnings = append(a.response.Warnings, clone(event.Warning))
	case *v1.StreamSendResponse_Completed:
		a.completed(event.Completed)
	}
}

func (a *Accumulator) candidate(index int32) *v1.Candidate {
	candidate := a.candidates[index]
	if candidate == nil {
		candidate = &v1.Candidate{Index: index, Message: &v1.Message{Role: v1.Role_ROLE_ASSISTANT}}
		a.candidates[index] = candidate
	}
	return candidate
}

func (a *Accumulator) part(candidate, index int32) *v1.Part {
	parts := a.candidate(candidate).Message.Parts
	if index < 0 || int(index) >= len(parts) {
		return nil
	}
	return parts[index]
}

func (a *Accumulator) delta(delta *v1.PartDelta) {
	part := a.part(delta.GetCandidateIndex(), delta.GetPartIndex())
	if part == nil {
		return
	}
	at := place{delta.GetCandidateIndex(), delta.GetPartIndex()}
	grown := a.grown[at]
	if grown == nil {
		grown = &growth{}
		a.grown[at] = grown
	}
	switch what := delta.GetDelta().(type) {
	case *v1.PartDelta_Text:
		grown.text.add(what.Text)
	case *v1.PartDelta_ArgumentsJson:
		grown.arguments.add(what.ArgumentsJson)
	case *v1.PartDelta_Transcript:
		grown.transcript.add(what.Transcript)
	case *v1.PartDelta_Data:
		grown.hasData = true
		grown.data.Write(what.Data)
	case *v1.PartDelta_Citation:
		text := textOf(part)
		text.Citations = append(text.Citations, clone(what.Citation))
	}
	if len(delta.Logprobs) == 0 {
		return
	}
	candidate := a.candidate(delta.GetCandidateIndex())
	if part.GetRefusal() != nil {
		candidate.RefusalLogprobs = append(candidate.RefusalLogprobs, delta.Logprobs...)
	} else {
		candidate.Logprobs = append(candidate.Logprobs, delta.Logprobs...)
	}
}

func (a *Accumulator) join() {
	for at, grown := range a.grown {
		part := a.candidates[at.candidate].Message.Parts[at.part]
		if grown.text.any {
			switch kind := part.GetKind().(type) {
			case *v1.Part_Reasoning:
				kind.Reasoning.Text += grown.text.String()
			case *v1.Part_Refusal:
				kind.Refusal.Text += grown.text.String()
			default:
				textOf(part).Text += grown.text.String()
			}
		}
		if grown.arguments.any {
			if part.GetToolCall() == nil {
				part.Kind = &v1.Part_ToolCall{ToolCall: &v1.ToolCall{}}
			}
			part.GetToolCall().ArgumentsJson += grown.arguments.String()
		}
		if grown.hasData {
			media := mediaOf(part)
			media.Source = &v1.MediaPart_Data{Data: slices.Concat(media.GetData(), grown.data.Bytes())}
		}
		if grown.transcript.any {
			mediaOf(part).Transcript += grown.transcript.String()
		}
	}
	clear(a.grown)
}

func (a *Accumulator) partCompleted(completed *v1.PartCompleted) {
	part := a.part(completed.GetCandidateIndex(), completed.GetPartIndex())
	if part == nil {
		return
	}
	if len(completed.Signature) > 0 {
		part.Signature = completed.Signature
	}
	if completed.SignatureProvider != "" {
		part.SignatureProvider = completed.SignatureProvider
	}
	if len(completed.Encrypted) > 0 {
		if part.GetReasoning() == nil {
			part.Kind = &v1.Part_Reasoning{Reasoning: &v1.ReasoningPart{}}
		}
		part.GetReasoning().Encrypted = completed.Encrypted
	}
}

func (a *Accumulator) candidateCompleted(completed *v1.CandidateCompleted) {
	candidate := a.candidate(completed.GetCandidateIndex())
	candidate.FinishReason = completed.FinishReason
	candidate.ProviderFinishReason = completed.ProviderFinishReason
	candidate.FinishMessage = completed.FinishMessage
	candidate.StopSequence = completed.StopSequence
	candidate.SafetyRatings = append(candidate.SafetyRatings, completed.SafetyRatings...)
	candidate.Logprobs = append(candidate.Logprobs, completed.Logprobs...)
	candidate.ProviderMetadataJson = completed.ProviderMetadataJson
}

func (a *Accumulator) completed(completed *v1.StreamCompleted) {
	a.finished = true
	if completed.Usage != nil {
		a.response.Usage = clone(completed.Usage)
	}
	if completed.Route != nil {
		a.response.Route = clone(completed.Route)
	}
	a.response.ServiceTier = completed.ServiceTier
	a.response.SystemFingerprint = completed.SystemFingerprint
	a.response.ProviderMetadataJson = completed.ProviderMetadataJson
}

func textOf(part *v1.Part) *v1.TextPart {
	if part.GetText() == nil {
		part.Kind = &v1.Part_Text{Text: &v1.TextPart{}}
	}
	return part.GetText()
}

func mediaOf(part *v1.Part) *v1.MediaPart {
	if part.GetMedia() == nil {
		part.Kind = &v1.Part_Media{Media: &v1.MediaPart{}}
	}
	return part.GetMedia()
}

// clone keeps the caller's event apart from the response, which goes on to grow.
func clone[M proto.Message](message M) M { return proto.CloneOf(message) }
